"""The randomness of sampling as tensors: a function of (seed, position) only.

So an answer is the same whatever runs beside it, on any device, and after a resume.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inference.engine.mixing import FIRST, GOLDEN, MASK, SECOND, mix


def base_of(seed: int) -> int:
    """What a seed contributes to the keys of its answer, as a signed 64-bit number."""
    return _signed(mix((seed + GOLDEN) & MASK))


def keys_of(bases: Tensor, positions: Tensor) -> Tensor:
    """``mixing.key_of`` on int64 tensors: the keys of the tokens at these positions."""
    return _mix(bases + _signed(GOLDEN) * (positions + 1))


def uniforms(keys: Tensor) -> Tensor:
    """One number in the open interval (0, 1) for each key, in float64.

    32 bits, in the middle of their steps: times a sum of probabilities it stays below that sum.
    """
    return (_shift(keys, 32).to(torch.float64) + 0.5) * 2.0**-32


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
