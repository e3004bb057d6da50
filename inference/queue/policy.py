"""Reads the policy row, and locks it: submits and claims go through this lock one by one."""

from dataclasses import asdict
from enum import StrEnum

from inference import conf
from inference.models import QueuePolicy


class Group(StrEnum):
    """The kinds of people that the policy tells apart; whoever submits says which."""

    STAFF = "staff"
    MEMBERS = "members"
    GUESTS = "guests"


def priority_of(policy: QueuePolicy, group: Group) -> int:
    """What the policy gives to this kind of people as it stands."""
    priorities = {
        Group.STAFF: policy.priority_staff,
        Group.MEMBERS: policy.priority_members,
        Group.GUESTS: policy.priority_guests,
    }
    return priorities[group]


def current_policy() -> QueuePolicy:
    """The policy as it stands, made from the settings on the first call ever."""
    policy, _ = QueuePolicy.objects.get_or_create(pk=1, defaults=asdict(conf.policy_defaults()))
    return policy


def locked_policy() -> QueuePolicy:
    """The policy row, locked until the caller's transaction ends.

    PostgreSQL locks the row. SQLite ignores that, but its IMMEDIATE transaction already keeps every
    other writer out.
    """
    row = QueuePolicy.objects.select_for_update().filter(pk=1)
    found = row.first()
    if found is None:
        current_policy()
        found = row.get()
    return found
