"""CPU time of a process and of those it started, from /proc."""

from __future__ import annotations

import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Of the process and its live children; 0 for one that is gone."""
    return sum(_own(one) for one in [pid, *_descendants(pid)])


def _own(pid: int) -> float:
    fields = _stat(pid)
    # utime and stime are the 14th and 15th; the first two are cut off here.
    ticks = int(fields[11]) + int(fields[12]) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> list[int]:
    parents = {
        int(folder.name): int(fields[1])
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and (fields := _stat(int(folder.name)))
    }
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold spaces."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
