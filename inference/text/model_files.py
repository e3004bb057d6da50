"""Finds the small files of a model: a folder as it is, or a hub id through the hub's cache.

Weights are the engine's business; this fetches text files only.
"""

from __future__ import annotations

from pathlib import Path

from inference.text.errors import TokenizerError

TEXT_FILES = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "config.json",
]


def model_folder(model: str) -> Path:
    """A folder with the model's text files. Raises TokenizerError with a sentence."""
    path = Path(model).expanduser()
    if model and path.is_dir():
        return path
    if not model or path.is_absolute() or model.startswith(".") or model.count("/") > 1:
        raise TokenizerError(f"There is no folder {model!r} with a model in it.")
    return _fetch(model)


def _fetch(model: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=TEXT_FILES))
    except Exception as error:  # whatever network or hub say: people need one sentence
        reason = str(error).strip().splitlines()
        raise TokenizerError(
            f"The model {model!r} is neither a folder nor could it be fetched from the hub: "
            f"{reason[0] if reason else type(error).__name__}"
        ) from error
