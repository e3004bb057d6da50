"""From what was noted on both sides of the wires to figures. Pure: knows no process."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Delta = tuple[int, int, float]  # offset, length, when it came


@dataclass(frozen=True)
class Latency:
    """Seconds, of every token by itself."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Figures:
    """Of the measured time. A token of the bench is one character."""

    kind: str
    offered: float  # tokens per second that the engine was asked for
    made: float  # that reached the worker
    delivered: float  # that reached their client
    frames: float
    lost: int  # tokens that a later delta shows to be missing
    from_event: Latency  # from the worker's hearing of it from the engine to the client
    from_due: Latency  # from the moment at which the engine was to make it
    closed: int  # sockets that were closed
    cpu: dict[str, float]  # share of one core, by process


def figures(
    kind: str,
    offered: float,
    clients: dict[str, Any],
    engine: dict[str, list[float]],
    cpu: dict[str, float],
    rate: float,
) -> Figures:
    begin, end = clients["begin"], clients["end"]
    seconds = end - begin
    times = {name.rpartition(".")[0]: found for name, found in engine.items()}
    waits: list[float] = []
    late: list[float] = []
    tokens = frames = lost = 0
    for request, deltas in clients["streams"].items():
        measured = [delta for delta in deltas if begin <= delta[2] < end]
        tokens += sum(length for _, length, _ in measured)
        frames += len(measured)
        lost += missing(measured)
        noted = times.get(request, [])
        waits += _waits(measured, noted)
        late += _waits(measured, due_times(noted, rate))
    made = sum(begin <= at < end for found in times.values() for at in found)
    return Figures(
        kind=kind,
        offered=offered,
        made=made / seconds,
        delivered=tokens / seconds,
        frames=frames / seconds,
        lost=lost,
        from_event=latency(waits),
        from_due=latency(late),
        closed=clients["closed"],
        cpu=cpu,
    )


def missing(deltas: Sequence[Delta]) -> int:
    """Tokens between one delta's end and the next one's beginning."""
    lost, expected = 0, deltas[0][0] if deltas else 0
    for offset, length, _ in deltas:
        lost += max(0, offset - expected)
        expected = max(expected, offset + length)
    return lost


def due_times(noted: Sequence[float], rate: float) -> list[float]:
    """The mock engine's schedule: even steps on a grid of its rate, from the promptest token."""
    if not noted:
        return []
    promptest = min(at - number / rate for number, at in enumerate(noted))
    first = math.floor(promptest * rate) / rate
    return [first + number / rate for number in range(len(noted))]


def latency(waits: Iterable[float]) -> Latency:
    found = sorted(waits)
    if not found:
        return Latency(math.nan, math.nan)
    return Latency(found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)])


def _waits(deltas: Iterable[Delta], times: Sequence[float]) -> list[float]:
    return [came - at for offset, length, came in deltas for at in times[offset : offset + length]]


HEADER = (
    f"{'':<8}{'offered':>9}{'made':>9}{'delivered':>11}{'frames':>9}{'lost':>9}"
    f"{'p50 ms':>9}{'p99 ms':>9}{'due p50':>9}{'due p99':>9}  CPU"
)


def line(f: Figures) -> str:
    """Rates a second; latencies in milliseconds."""
    cpu = ", ".join(f"{name} {share:.0%}" for name, share in f.cpu.items())
    return (
        f"{f.kind:<8}{f.offered:>9.0f}{f.made:>9.0f}{f.delivered:>11.0f}{f.frames:>9.0f}"
        f"{f.lost:>9}{f.from_event.p50 * 1e3:>9.1f}{f.from_event.p99 * 1e3:>9.1f}"
        f"{f.from_due.p50 * 1e3:>9.1f}{f.from_due.p99 * 1e3:>9.1f}  {cpu}"
        + (f"; {f.closed} sockets closed" if f.closed else "")
    )
