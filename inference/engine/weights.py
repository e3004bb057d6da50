"""Finds a model's weights: a folder, or a hub id through the hub's cache. Safetensors only.

Pickled weights can run code when they are read; they are refused and not even downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference.engine.errors import LoadError
from inference.engine.events import LoadProgress

PATTERNS = ["*.safetensors", "*.json", "*.jinja"]
Tell = Callable[[LoadProgress], None]


def find_weights(model: str, tell: Tell) -> Path:
    """A folder with a config and safetensors. Raises LoadError with a sentence."""
    path = Path(model).expanduser()
    folder = path if model and path.is_dir() else _download(model, tell)
    if not (folder / "config.json").is_file():
        raise LoadError(f"There is no model in {model!r}: it has no config.json.")
    if not any(folder.glob("*.safetensors")):
        raise LoadError(
            f"The model {model!r} has no safetensors weights. Pickled weights are not loaded, as "
            "they can run code; convert them with save_pretrained() first."
        )
    return folder


def _download(model: str, tell: Tell) -> Path:
    if not model or os.path.isabs(model) or model.startswith(".") or model.count("/") > 1:
        raise LoadError(f"There is no folder {model!r} with a model in it.")
    from transformers.utils import hub

    hub_tools: Any = hub
    tell(LoadProgress("downloading", None, model))
    try:
        return Path(
            hub_tools.snapshot_download(
                model, allow_patterns=PATTERNS, tqdm_class=_reporting(model, tell)
            )
        )
    except Exception as error:  # whatever network or hub say: people need one sentence
        reason = str(error).strip().splitlines()
        raise LoadError(
            f"The model {model!r} is neither a folder nor could it be fetched from the hub: "
            f"{reason[0] if reason else type(error).__name__}"
        ) from error


def _reporting(model: str, tell: Tell) -> type[Any]:
    """A progress bar that prints nothing and tells the download's bytes instead."""
    from transformers.utils import logging

    tools: Any = logging
    bar: Any = tools.tqdm_lib.tqdm

    class Reporting(bar):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # the hub's own classes know it, plain tqdm does not
            super().__init__(*args, **{**kwargs, "file": _Nowhere(), "disable": False})

        def display(self, *args: Any, **kwargs: Any) -> None:
            if self.unit == "B" and self.total:
                done = min(1.0, self.n / self.total)
                tell(LoadProgress("downloading", done, f"{model}, {self.total / 1e6:.0f} MB"))

    return Reporting


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing is kept."""
