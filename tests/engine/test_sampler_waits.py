"""The sampler never waits for its device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inference.engine.sampler import Sampler
from tests.engine.sampling import CPU, EVERYTHING, WIDTH, a_row, some_logits


class _Waits(TorchDispatchMode):
    """Raises on operations that would wait for a device or copy from it."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "multinomial", "masked_select", "item")

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        assert name not in self.FORBIDDEN, name
        return function(*args, **(kwargs or {}))


def waits() -> Any:
    mode: Any = _Waits
    return mode()


def test_sampling_never_waits_for_the_device() -> None:
    rows = [a_row(seed=1, **EVERYTHING), a_row(temperature=0.0), a_row(temperature=1.0)]
    sampler = Sampler(3, WIDTH, CPU)
    for slot, row in enumerate(rows):
        sampler.admit(slot, row)
    for step in range(2):
        with waits():
            sampled = sampler.sample(some_logits(3, step), [0, 1, 2])
        assert all(choice.token_id is not None for choice in sampled.read())
    with pytest.raises(AssertionError, match="_local_scalar_dense"), waits():
        torch.ones(1).item()


def test_sampling_needs_nothing_from_a_device_that_tells_nothing() -> None:
    """Tensors on the meta device have no numbers, so whatever would wait for one fails there.

    It also takes the way of a GPU where that of a CPU differs.
    """
    meta = torch.device("meta")
    rows = [a_row(seed=1, **EVERYTHING), a_row(temperature=0.0), a_row(temperature=1.0, top_p=0.9)]
    sampler = Sampler(1, 3000, meta)
    for slot, row in enumerate(rows):
        sampler.admit(slot, row)
    for slots in ([0, 1, 2], [1], [2, 0]):
        sampled = sampler.sample(torch.empty(len(slots), 3000, device=meta), slots)
        assert sampled.token_ids.shape == (len(slots),)
        assert sampled.token_ids.device == meta
