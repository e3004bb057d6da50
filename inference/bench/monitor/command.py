"""What `manage.py bench monitor` does: a full queue, without and with staff who watch it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inference.bench.fanout.plan import Plan as Wires
from inference.bench.fanout.stage import ROOT, BenchError, Stage

Say = Callable[[str], None]
SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Plan:
    """Half of the requests run, half wait; `rate` in tokens per second of each."""

    requests: int
    watchers: int
    rate: float
    seconds: float


@dataclass(frozen=True)
class Cost:
    """Share of one core that the web process took, its database (SQLite) included."""

    without: float
    watched: float
    frames_per_s: float
    bytes_per_s: float

    @property
    def share(self) -> float:
        return self.watched - self.without


class MonitorStage(Stage):
    """Redis, web, worker; nobody chats, so the web process does nothing but serve the pages."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        running = plan.requests // 2
        super().__init__(Wires(streaming=running), folder)
        self._monitor = plan
        self._env |= {
            "CHATSITE_MAX_WAITING": str(plan.requests - running),
            "CHATSITE_MOCK_RATE": str(plan.rate),
        }

    def cost(self) -> Cost:
        with ExitStack() as stack:
            stack.callback(self._end)
            self._set_up()
            session = self._fill()
            time.sleep(SETTLE_SECONDS)
            without = self._web_cpu(lambda: time.sleep(self._monitor.seconds))
            figures = self._folder / "watchers.json"
            watched = self._web_cpu(lambda: self._watch(session, figures))
            found = json.loads(figures.read_text())
            seconds = self._monitor.seconds
            return Cost(without, watched, found["frames"] / seconds, found["bytes"] / seconds)

    def _fill(self) -> str:
        command = [sys.executable, "-m", "inference.bench.monitor.crowd"]
        done = subprocess.run(  # noqa: S603 (our own program)
            [*command, str(self._monitor.requests)],
            cwd=ROOT,
            env={**self._env, "DJANGO_SETTINGS_MODULE": "chatsite.settings"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise BenchError(f"The queue could not be filled: {done.stderr[-2000:]}")
        return done.stdout.split()[-1]

    def _watch(self, session: str, output: Path) -> None:
        plan = self._monitor
        words = [self._web_port, session, plan.watchers, plan.seconds, output]
        module = "inference.bench.monitor.watchers"
        self._start("clients", sys.executable, "-m", module, *map(str, words))
        if self._started["clients"].wait(plan.seconds + 30) != 0:
            raise BenchError(f"The watchers failed: {self._log('clients')}")

    def _web_cpu(self, act: Callable[[], None]) -> float:
        before, began = self._cpu()["web"], time.monotonic()
        act()
        return (self._cpu()["web"] - before) / (time.monotonic() - began)


def run_monitor_bench(options: dict[str, Any], say: Say) -> dict[str, Any]:
    """Returns everything that was measured, ready for JSON. Raises BenchError with a sentence."""
    plan = Plan(options["requests"], options["watchers"], options["rate"], options["seconds"])
    say(
        f"{plan.requests} requests, half of them running at {plan.rate:g} tokens/s; "
        f"{plan.watchers} watch for {plan.seconds:g} s; SQLite; {os.cpu_count()} cores for "
        "everything"
    )
    costs = []
    for _ in range(options["repeats"]):
        with tempfile.TemporaryDirectory(prefix="chatsite-monitor-") as folder:
            cost = MonitorStage(plan, Path(folder)).cost()
        say(
            f"web process: {cost.without:.1%} of a core without watchers, {cost.watched:.1%} with "
            f"them: {cost.share:.1%} for the live queue; {cost.frames_per_s:.1f} frames/s, "
            f"{cost.bytes_per_s / 1024:.0f} KB/s"
        )
        costs.append(cost)
    return {"plan": asdict(plan), "costs": [asdict(cost) for cost in costs]}
