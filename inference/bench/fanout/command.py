"""What `manage.py bench fanout` does with its options: one run for each contender, a line each."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from inference.bench.fanout.figures import HEADER, line
from inference.bench.fanout.plan import Plan
from inference.bench.fanout.stage import measure

Say = Callable[[str], None]


def run_fanout_bench(options: dict[str, Any], say: Say) -> dict[str, Any]:
    """Returns everything that was measured, ready for JSON. Raises BenchError with a sentence."""
    say(
        f"{options['sockets']} sockets on one Daphne, {options['streaming']} streaming "
        f"{options['rate']:g} tokens/s each for {options['seconds']:g} s; "
        f"{os.cpu_count()} cores for everything, the clients included"
    )
    say(HEADER)
    rows = []
    for kind in options["kinds"]:
        plan = Plan(
            kind=kind,
            sockets=options["sockets"],
            streaming=options["streaming"],
            rate=options["rate"],
            seconds=options["seconds"],
        )
        found = measure(plan)
        say(line(found))
        rows.append(asdict(found))
    environment = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    return {"environment": environment, "rows": rows}
