"""What the memory could give: the floor under a decode step, and how near the engine comes to it.

A decode step reads every weight once and the keys and values of every context. So, without the
arithmetic, a step takes at least

    (bytes of weights + rows * mean context * bytes of a token's keys and values) / bandwidth

(the input embedding counts only where it is the output layer as well; of a mixture of experts
more is counted here than is read). The share of the floor is that time over the measured one.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from transformers import PreTrainedModel

READ_BYTES = {"cpu": 512 * 2**20, "cuda": 4 * 2**30}
REPEATS = 5


def measured_bandwidth(device: torch.device) -> float:
    """Bytes per second of the best of a few large reads, as a decode step reads its weights."""
    numbers = READ_BYTES.get(device.type, READ_BYTES["cpu"]) // 4
    data = torch.ones(numbers, device=device)
    best = float("inf")
    for _ in range(REPEATS):
        _wait(device)
        began = perf_counter()
        data.sum()
        _wait(device)
        best = min(best, perf_counter() - began)
    return numbers * 4 / best


def read_bytes(model: PreTrainedModel) -> int:
    """Bytes of weights that a decode step reads."""
    weights = {id(p): p.numel() * p.element_size() for p in model.parameters()}
    inner: Any = model
    embedding, head = inner.get_input_embeddings(), inner.get_output_embeddings()
    tied = head is not None and head.weight is embedding.weight
    return sum(weights.values()) - (0 if tied else weights.get(id(embedding.weight), 0))


def floor_seconds(
    weight_bytes: int, token_bytes: int, rows: int, context: float, bandwidth: float
) -> float:
    """The least time of a decode step of ``rows`` requests with ``context`` tokens each."""
    return (weight_bytes + rows * context * token_bytes) / bandwidth


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
