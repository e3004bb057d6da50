"""The randomness of sampling as tensors: noise is a function of (seed, position, token) only.

So an answer is the same whatever runs beside it, on any device, and after a resume.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from inference.engine.mixing import FIRST, GOLDEN, MASK, SECOND, mix


def base_of(seed: int) -> int:
    """What a seed contributes to the keys of its answer, as a signed 64-bit number."""
    return _signed(mix((seed + GOLDEN) & MASK))


def keys_of(bases: Tensor, positions: Tensor) -> Tensor:
    """``mixing.key_of`` on int64 tensors: the keys of the tokens at these positions."""
    return _mix(bases + _signed(GOLDEN) * (positions + 1))


def gumbel_noise(keys: Tensor, width: int) -> Tensor:
    """[len(keys), width] Gumbel noise in float64, one row for each key.

    Adding it to log-probabilities and taking the argmax draws from the distribution.
    """
    bits = _mix(keys[:, None] + _counters(width, keys.device))
    # 53 bits in the middle of their steps: never 0 or 1, whose logarithms are not finite.
    uniform = _shift(bits, 11).double().add_(0.5).mul_(2.0**-53)
    return uniform.log_().neg_().log_().neg_()


@lru_cache(maxsize=4)
def _counters(width: int, device: torch.device) -> Tensor:
    return torch.arange(1, width + 1, device=device) * _signed(GOLDEN)


def _mix(value: Tensor) -> Tensor:
    """``mixing.mix`` on int64 tensors, whose products wrap around as they should."""
    value = (value ^ _shift(value, 30)).mul_(_signed(FIRST))
    value = (value ^ _shift(value, 27)).mul_(_signed(SECOND))
    return value ^ _shift(value, 31)


def _shift(value: Tensor, bits: int) -> Tensor:
    """To the right, filling with zeros; torch's own shift repeats the sign."""
    return (value >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
