"""What several modules need to know of a model, read off the model itself."""

from __future__ import annotations

import inspect
from typing import Any

from transformers import PreTrainedModel


def vocabulary_of(model: PreTrainedModel) -> int:
    """The rows of its embedding, which other ids would index past; also those of its logits."""
    embedding: Any = model.get_input_embeddings()
    size: int = embedding.weight.shape[0]
    return size


def keeps_rows(model: PreTrainedModel) -> bool:
    """Whether it can be told which tokens' logits are wanted."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters
