"""Who keeps house: one row that one worker holds at a time, by the database's clock alone."""

from datetime import timedelta

from django.db.models import Q

from inference import conf
from inference.models import HousekeeperLease
from inference.queue.clock import database_now


def keeps_house(name: str) -> bool:
    """Takes or renews the lease for the worker called `name`; False while another one has it.

    One conditional update, so of two workers that ask at once exactly one gets it.
    """
    now = database_now()
    until = now + timedelta(seconds=conf.HOUSEKEEPER_LEASE_SECONDS)
    free = Q(holder=name) | Q(until__lt=now)
    if HousekeeperLease.objects.filter(free, pk=1).update(holder=name, until=until):
        return True
    row, made = HousekeeperLease.objects.get_or_create(
        pk=1, defaults={"holder": name, "until": until}
    )
    return made or row.holder == name


def give_up_house(name: str) -> None:
    """Lets the next worker take over at once, instead of after the lease."""
    HousekeeperLease.objects.filter(pk=1, holder=name).update(holder="", until=database_now())
