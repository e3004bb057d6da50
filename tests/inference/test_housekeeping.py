"""One worker keeps house at a time, and who hears of their place."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from inference import conf
from inference.database import WorkerDatabase
from inference.housekeeper import Housekeeper
from inference.models import HousekeeperLease
from inference.queue.claiming import claim
from inference.queue.clock import database_now
from inference.queue.housekeeping import give_up_house, keeps_house
from tests.inference.build import a_policy, a_request, a_worker, age_lease
from tests.inference.scripted import RememberingPublisher


@pytest.mark.django_db
def test_one_holder_at_a_time_who_renews() -> None:
    assert [keeps_house(name) for name in ("a", "b", "a", "b")] == [True, False, True, False]
    assert HousekeeperLease.objects.count() == 1


@pytest.mark.django_db
def test_a_dead_holder_is_followed_within_five_seconds() -> None:
    keeps_house("a")
    left = HousekeeperLease.objects.get().until - database_now()
    assert left + timedelta(seconds=conf.HOUSEKEEPING_SECONDS) < timedelta(seconds=5)
    HousekeeperLease.objects.update(until=database_now() - timedelta(milliseconds=1))
    assert keeps_house("b")
    assert not keeps_house("a")


@pytest.mark.django_db
def test_who_leaves_is_followed_at_once_and_only_the_holder_can_leave() -> None:
    keeps_house("a")
    give_up_house("b")
    assert not keeps_house("b")
    give_up_house("a")
    assert keeps_house("b")


class Duty:
    """A housekeeper on duty with what it says."""

    def __init__(self) -> None:
        self.published = RememberingPublisher()
        self.database = WorkerDatabase()
        self.keeper = Housekeeper(self.database, self.published)

    async def tell(self) -> list[int]:
        """The positions that are told now."""
        self.published.events.clear()
        await self.keeper.tell_places()
        return [event["position"] for event in self.published.of_type("request.waiting")]


@pytest.mark.django_db(transaction=True)
async def test_the_first_hear_at_once_and_the_others_every_few_seconds(monkeypatch: Any) -> None:
    await sync_to_async(a_policy)(max_running=1, max_waiting=50)
    worker = await sync_to_async(a_worker)()
    for _ in range(15):
        await sync_to_async(a_request)()
    duty = Duty()
    assert await duty.tell() == []  # not on duty yet
    assert await duty.keeper.take_duty("a")
    assert await duty.tell() == list(range(1, 16))
    assert await duty.tell() == []
    await sync_to_async(claim)(worker, 0)
    assert await duty.tell() == list(range(1, 11))
    monkeypatch.setattr(conf, "PLACES_SECONDS", 0.0)
    assert await duty.tell() == list(range(11, 15))
    await duty.database.close()


@pytest.mark.django_db(transaction=True)
async def test_another_length_of_the_queue_is_news_for_the_first_only(monkeypatch: Any) -> None:
    monkeypatch.setattr(conf, "PLACES_SECONDS", 0.0)
    await sync_to_async(a_policy)(max_running=1, max_waiting=50)
    for _ in range(12):
        await sync_to_async(a_request)()
    duty = Duty()
    await duty.keeper.take_duty("a")
    await duty.tell()
    await sync_to_async(a_request)()
    assert await duty.tell() == [*range(1, 11), 13]
    await duty.database.close()


@pytest.mark.django_db(transaction=True)
async def test_after_a_gap_living_workers_may_renew_their_leases_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database was away for longer than a lease; nobody is dead."""
    await sync_to_async(a_policy)(max_running=2, max_waiting=10)
    worker = await sync_to_async(a_worker)()
    request = await sync_to_async(a_request)()
    await sync_to_async(claim)(worker, 0)
    housekeeper = Housekeeper(WorkerDatabase(), RememberingPublisher())
    assert await housekeeper.take_duty("first")
    monkeypatch.setattr("inference.conf.HOUSEKEEPING_GAP_SECONDS", -1.0)
    assert await housekeeper.take_duty("first")
    await sync_to_async(age_lease)(request)
    assert not await housekeeper.rescue_and_expire()
    housekeeper._patient_until = 0.0
    assert await housekeeper.rescue_and_expire()
