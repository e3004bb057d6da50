"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers

from inference.bench.engine_bench import Outcome, Row

HEADER = (
    f"{'at once':>7}  {'contender':<12}{'tok/s':>9}{'own is':>9}{'TTFT p50':>10}{'p99':>8}"
    f"{'ITL p50':>10}{'p99':>8}{'floor':>8}  tokens"
)


def table(outcome: Outcome) -> Iterator[str]:
    """One line per contender and concurrency; times in milliseconds."""
    yield f"memory reads at {outcome.bandwidth / 1e9:.1f} GB/s"
    yield HEADER
    own = {row.concurrency: row for row in outcome.rows if row.name == "own"}
    for row in outcome.rows:
        yield _line(row, own.get(row.concurrency))


def _line(row: Row, own: Row | None) -> str:
    f = row.figures
    ratio = f"{own.figures.tokens_per_s / f.tokens_per_s:.2f}x" if own else ""
    floor = "" if row.floor_share is None else f"{row.floor_share:.0%}"
    same = "same" if not row.differing else f"{row.differing} differ"
    return (
        f"{row.concurrency:>7}  {row.name:<12}{f.tokens_per_s:>9.1f}{ratio:>9}"
        f"{f.ttft_p50 * 1e3:>10.1f}{f.ttft_p99 * 1e3:>8.1f}"
        f"{f.itl_p50 * 1e3:>10.2f}{f.itl_p99 * 1e3:>8.2f}{floor:>8}  {same}"
    )


def environment(threads: int, dtype: str, device: str) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": device,
        "dtype": dtype,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Seconds, bytes per second and tokens per second."""
    return {"bandwidth": outcome.bandwidth, "rows": [asdict(row) for row in outcome.rows]}


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
