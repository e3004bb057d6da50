"""Repeatable randomness as a function: the same (seed, position) gives the same number for ever.

Integers only, so that every device and library version agrees.
"""

from __future__ import annotations

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB


def mix(value: int) -> int:
    """splitmix64's finaliser: 64 bits in, 64 well mixed bits out."""
    value &= MASK
    value = ((value ^ (value >> 30)) * FIRST) & MASK
    value = ((value ^ (value >> 27)) * SECOND) & MASK
    return value ^ (value >> 31)


def key_of(seed: int, position: int) -> int:
    """The key of one drawing: the token at ``position`` of an answer with this seed."""
    return mix(mix(seed + GOLDEN) + GOLDEN * (position + 1))
