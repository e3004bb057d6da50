"""Many regulars at once, what they saw, and its check against rows and undisturbed answers."""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Self

from tests.faults.mock_text import undisturbed
from tests.faults.regular import Asked, Regular
from tests.faults.rows import rows_of
from tests.support.kept_text import Event
from tests.support.site import Site

TOKENS_A_SECOND = 20


class Crowd:
    """People who ask all the time, from `enter` to `leave`."""

    def __init__(self, site: Site, size: int = 20, message: str = "mock:length=80") -> None:
        self.site = site
        self.people = [Regular(site.urls, number, message) for number in range(size)]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.enter()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.go_home()

    async def enter(self, all_stream_within: float = 30.0) -> None:
        """Returns when everybody has seen text."""
        await self.come_in()
        self._tasks = [asyncio.create_task(person.stay()) for person in self.people]
        await self.until(
            lambda: all(any(asked.kept.text for asked in one.asked) for one in self.people),
            all_stream_within,
        )

    async def come_in(self) -> None:
        await asyncio.gather(*(person.come_in() for person in self.people))

    async def leave(self, seconds: float = 90.0) -> None:
        """Nobody asks any more; returns when everybody's last answer is whole."""
        for person in self.people:
            person.stop_asking()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*self._tasks)
        except TimeoutError:
            raise AssertionError(f"stuck: {self._waiting()}\n{self.site.logs()}") from None

    def go_home(self) -> None:
        """At once; for the end of a test that may have failed."""
        for task in self._tasks:
            task.cancel()

    async def until(self, holds: Callable[[], bool], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._raise_what_failed()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            waiting = self._waiting()
            raise AssertionError(f"not in {seconds:g} s: {waiting}\n{self.site.logs()}") from None

    async def until_all_grew(self, since: float, seconds: float = 60.0) -> float:
        """Until everybody has got text after `since`; the seconds that the last one waited."""
        await self.until(lambda: all(_first_growth(one, since) for one in self.people), seconds)
        return max((_first_growth(one, since) or 0.0) - since for one in self.people)

    def longest_silence(self, since: float, begun: bool = False) -> float:
        """Of anybody who waited for text after `since`; or only in answers that had begun."""
        times = [_times(asked)[begun:] for asked in self._all_asked()]
        return max(_longest_gap(one, since) for one in times)

    @property
    def answers(self) -> int:
        return len(self._all_asked())

    def ends(self) -> list[Event]:
        """The `message.finished` of every answer that is over."""
        return [asked.kept.end for asked in self._all_asked() if asked.kept.end is not None]

    @property
    def syncs(self) -> int:
        return sum(asked.syncs for asked in self._all_asked())

    def check(self, others: Collection[str] = ()) -> int:
        """Every answer is there once, is whole, and is what an undisturbed run says.

        `others` are requests of people beside the crowd. Returns how many were taken over by
        another worker or by the same one once more.
        """
        assert not [word for person in self.people for word in person.broken]
        rows = rows_of(self.site.database)
        asked = {one.request: one for one in self._all_asked()}
        assert set(rows) == {*asked, *others}, "a request was lost, or made twice"
        for request, one in asked.items():
            row, expected = rows[request], undisturbed(one.text, one.seed)
            states = (row.state, row.reason, row.message_state)
            assert states == ("finished", "stop", "complete"), f"{request}: {row}"
            assert row.text == row.message_text == expected, f"{request} has another text: {row}"
            assert one.kept.text == expected, f"the reader of {request} saw another text"
        return sum(row.attempt > 1 for row in rows.values())

    def _all_asked(self) -> list[Asked]:
        return [asked for person in self.people for asked in person.asked]

    def _raise_what_failed(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                task.result()

    def _waiting(self) -> str:
        """Who waits for what, the longest first, beside what the rows say."""
        rows, now = rows_of(self.site.database), time.monotonic()
        asked = [(now - one.now.grew_at[-1], one, one.now) for one in self.people if one.now]
        lines = [
            f"{seconds:.1f} s without text, {len(what.kept.text)} characters, connected"
            f" {who.connections + 1} times, refused {what.rejections[-1:]}, request"
            f" {what.request}: {rows.get(what.request)}"
            for seconds, who, what in sorted(asked, key=lambda one: -one[0])
        ]
        return "\n".join(lines)


async def see_through(crowd: Crowd, what: str, since: float) -> float:
    """Waits until all got on after the fault, lets them finish, checks; the longest silence."""
    await crowd.until_all_grew(since)
    await crowd.leave()
    silence = crowd.longest_silence(since)
    again = crowd.check()
    print(
        f"{what}: longest silence {silence:.1f} s, {crowd.answers} answers,"
        f" {again} continued by a new attempt, {crowd.syncs} syncs"
    )
    return silence


def _first_growth(person: Regular, since: float) -> float | None:
    # An asked one's first time is that of the sending.
    times = (at for asked in person.asked for at in asked.grew_at[1:])
    return next((at for at in times if at > since), None)


def _times(asked: Asked) -> list[float]:
    return asked.grew_at if asked.kept.is_whole else [*asked.grew_at, time.monotonic()]


def _longest_gap(times: list[float], since: float) -> float:
    pairs = zip(times, times[1:], strict=False)
    return max((later - earlier for earlier, later in pairs if later > since), default=0.0)
