"""The randomness of sampling as tensors: noise is a function of (seed, position, token) only.

So an answer is the same whatever runs beside it, on any device, and after a resume.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from inference.engine.mixing import FIRST, GOLDEN, SECOND, key_of


def gumbel_noise(drawings: Sequence[tuple[int, int]], width: int, device: torch.device) -> Tensor:
    """[len(drawings), width] Gumbel noise, one row for each (seed, position).

    Adding it to log-probabilities and taking the argmax draws from the distribution.
    """
    keys = torch.tensor([_signed(key_of(*drawing)) for drawing in drawings], device=device)
    bits = _mix(keys[:, None] + _counters(width, device))
    # 53 bits in the middle of their steps: never 0 or 1, whose logarithms are not finite.
    uniform = (_shift(bits, 11).double() + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform))


@lru_cache(maxsize=4)
def _counters(width: int, device: torch.device) -> Tensor:
    return torch.arange(1, width + 1, device=device) * _signed(GOLDEN)


def _mix(value: Tensor) -> Tensor:
    """``mixing.mix`` on int64 tensors, whose products wrap around as they should."""
    value = (value ^ _shift(value, 30)) * _signed(FIRST)
    value = (value ^ _shift(value, 27)) * _signed(SECOND)
    return value ^ _shift(value, 31)


def _shift(value: Tensor, bits: int) -> Tensor:
    """To the right, filling with zeros; torch's own shift repeats the sign."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
