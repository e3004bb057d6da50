"""Whether a process on this machine is gone: known at once, where a lease takes seconds.

Says so only when it is certain. Linux tells; elsewhere, and of processes on other machines or in
other containers, nothing is known here and their leases decide.
"""

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """`machine` is this boot of it and one space of process numbers, '' where nobody can tell;
    `birth` tells apart processes that had the same number one after the other.
    """

    machine: str
    pid: int
    birth: int


def own_identity() -> ProcessIdentity:
    pid = os.getpid()
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink(_PROC / "self/ns/pid")
        # A /proc of another space of numbers tells of strangers.
        tells_of_us = os.readlink(_PROC / "self") == str(pid)
        birth = _birth(pid) if tells_of_us else None
    except (OSError, ValueError, IndexError):
        birth = None
    return ProcessIdentity(f"{boot} {space}", pid, birth) if birth else ProcessIdentity("", pid, 0)


def is_gone(process: ProcessIdentity, here: ProcessIdentity) -> bool:
    """True when `process` ran on the machine of `here`, which is this one, and has ended."""
    if not (here.machine and process.birth) or process.machine != here.machine:
        return False
    try:
        birth = _birth(process.pid)
    except (OSError, ValueError, IndexError):
        return False
    if birth is None:
        return not _exists(process.pid)
    return birth != process.birth


def _birth(pid: int) -> int | None:
    """When it started, in clock ticks since boot (proc(5), field 22); 0 for a dead one that nobody
    waited for; None when none is seen.
    """
    try:
        described = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in brackets, may hold anything; the state is the first field after it.
    state, *fields = described.rpartition(")")[2].split()
    return 0 if state in "ZX" else int(fields[18])


def _exists(pid: int) -> bool:
    """Also where /proc hides other people's processes (hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
