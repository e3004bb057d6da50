"""What `manage.py bench chat` does: the whole site and its engine alone, in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from inference.bench.chat.plan import Plan, Round
from inference.bench.fanout.plan import Plan as Wires
from inference.bench.fanout.stage import ROOT, BenchError, Stage

Say = Callable[[str], None]
ENGINE_SECONDS = 600


class SiteStage(Stage):
    """Redis, web, worker and people, with a model that computes."""

    def __init__(self, plan: Plan, model: str, folder: Path) -> None:
        super().__init__(Wires(sockets=plan.people, streaming=plan.people), folder)
        self._site = plan
        self._env |= {
            "CHATSITE_ENGINE": "local",
            "CHATSITE_MODEL": model,
            "CHATSITE_THREADS": str(plan.threads),
            "CHATSITE_MAX_MODEL_LEN": "",
        }

    def rounds(self) -> list[Round]:
        """What the people saw."""
        with ExitStack() as stack:
            stack.callback(self._end)
            self._set_up()
            output = self._folder / "people.json"
            words = [self._site.to_json(), str(self._web_port), str(output)]
            self._start("clients", sys.executable, "-m", "inference.bench.chat.people", *words)
            if self._started["clients"].wait(ENGINE_SECONDS) != 0:
                raise BenchError(f"The people failed: {self._log('clients')}")
            return [Round(**one) for one in json.loads(output.read_text())]


def run_chat_bench(options: dict[str, Any], say: Say) -> dict[str, Any]:
    """Returns everything that was measured, ready for JSON. Raises BenchError with a sentence."""
    plan = Plan(options["people"], options["new"], options["rounds"], options["threads"])
    model = options["model"]
    say(
        f"{plan.people} people ask {Path(model).name} at once for {plan.new} tokens each, "
        f"greedy; {plan.threads} threads, {os.cpu_count()} cores for everything; the median of "
        f"{plan.rounds} rounds, {options['repeats']} times in turn"
    )
    found: list[dict[str, Any]] = []
    for _ in range(options["repeats"]):
        rounds = _whole_site(plan, model)
        site = median(one.tokens_per_s for one in rounds)
        engine = _engine_alone(plan, model, rounds[0].prompt_tokens)
        say(_line(site, engine, rounds))
        found.append({"rounds": [asdict(one) for one in rounds], "site": site, "engine": engine})
    ratio = median(one["site"] / one["engine"] for one in found)
    say(f"The site delivers {ratio:.2f} of what its engine makes alone.")
    return {"plan": asdict(plan), "model": model, "ratio": ratio, "repeats": found}


def _whole_site(plan: Plan, model: str) -> list[Round]:
    with tempfile.TemporaryDirectory(prefix="chatsite-site-") as folder:
        return SiteStage(plan, model, Path(folder)).rounds()


def _engine_alone(plan: Plan, model: str, prompt: int) -> float:
    with tempfile.TemporaryDirectory(prefix="chatsite-site-") as folder:
        output = Path(folder) / "engine.json"
        values = {
            "model": model,
            "threads": plan.threads,
            "concurrency": plan.people,
            "prompt": prompt,
            "new": plan.new,
            "repeats": plan.rounds,
            "peers": "own",
            "json": output,
        }
        words = [part for name, value in values.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "manage.py", "bench", "engine", *words]
        done = subprocess.run(  # noqa: S603 (our own program)
            command, cwd=ROOT, capture_output=True, text=True, timeout=ENGINE_SECONDS
        )
        if done.returncode:
            raise BenchError(f"The engine alone failed: {done.stderr[-2000:]}")
        (row,) = json.loads(output.read_text())["rows"]
        speed: float = row["figures"]["tokens_per_s"]
        return speed


def _line(site: float, engine: float, rounds: list[Round]) -> str:
    frames = median(one.frames / one.seconds for one in rounds)
    lost = sum(one.missing for one in rounds)
    return (
        f"site {site:,.0f} tok/s in {frames:,.0f} frames/s, {lost} characters missed; "
        f"engine alone {engine:,.0f} tok/s: {site / engine:.2f}"
    )
