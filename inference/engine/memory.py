"""How much memory there is for the slots, and what to do when it is not enough."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

# Of what is free once the model is loaded. A CPU shares its memory with everything else there.
SHARE = {"cuda": 0.85, "cpu": 0.35}
LONGEST_BY_DEFAULT = 32768
SHORTEST = 2048


@dataclass(frozen=True)
class SlotPlan:
    """``length`` in tokens."""

    slots: int
    length: int


def free_bytes(device: torch.device) -> int:
    """What the slots may take on this device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = _available_memory()
    return int(free * SHARE.get(device.type, SHARE["cpu"]))


class MemoryGauge:
    """What is taken of a device's memory: on CUDA by everybody, on a CPU by this process."""

    def __init__(self, device: torch.device, clock: Callable[[], float] = time.monotonic) -> None:
        self._device = device
        self._clock = clock
        self._read_at = float("-inf")
        self._last = (0, 0)

    def read(self) -> tuple[int, int]:
        """(used, total) in bytes; looked at once a second at most."""
        if self._clock() - self._read_at >= 1.0:
            self._read_at = self._clock()
            self._last = self._look()
        return self._last

    def _look(self) -> tuple[int, int]:
        if self._device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self._device)
            return total - free, total
        try:
            with open("/proc/self/statm", encoding="ascii") as file:
                resident = int(file.read().split()[1])
        except (OSError, ValueError):
            return 0, 0
        page = os.sysconf("SC_PAGE_SIZE")
        return resident * page, os.sysconf("SC_PHYS_PAGES") * page


def _available_memory() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def plan_slots(token_bytes: int, free: int, slots: int, length: int, *, fixed: bool) -> SlotPlan:
    """How many slots of which length fit into ``free`` bytes.

    ``slots`` are wanted, of ``length`` tokens; ``fixed`` where somebody asked for this length.
    Else the length gives way first, as a place for somebody is worth more than a very long chat.
    """
    length = length if fixed else min(length, LONGEST_BY_DEFAULT)
    fitting = max(free // max(token_bytes, 1), 1)
    while not fixed and slots * length > fitting and length > SHORTEST:
        length = max(length // 2, SHORTEST)
    return SlotPlan(max(1, min(slots, fitting // length)), length)


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA says so by a class of its own, the CPU's allocator by a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def free_unused(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
