"""Quotas of groups of people."""

from django.contrib import admin

from inference.models import GroupQuota


@admin.register(GroupQuota)
class GroupQuotaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["group", "daily_tokens"]
    list_select_related = ["group"]
    ordering = ["group__name"]
