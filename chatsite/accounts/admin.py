"""People in the admin."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.utils.translation import gettext_lazy as _

from chatsite.accounts.models import User

if TYPE_CHECKING:
    _UserAdmin = DjangoUserAdmin[User]
else:
    _UserAdmin = DjangoUserAdmin


@admin.register(User)
class UserAdmin(_UserAdmin):
    list_display = ("username", "is_guest", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = (*DjangoUserAdmin.list_filter, "is_guest")
    readonly_fields = ("is_guest", "last_login", "date_joined")
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), (_("Kind"), {"fields": ("is_guest",)}))
