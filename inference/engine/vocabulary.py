"""How many token ids a model takes."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel


def vocabulary_of(model: PreTrainedModel) -> int:
    """The rows of its embedding, which other ids would index past; also those of its logits."""
    embedding: Any = model.get_input_embeddings()
    size: int = embedding.weight.shape[0]
    return size
