"""TorchScript, for what a recorded step must not fix to the sizes of its example."""

from __future__ import annotations

import warnings
from typing import Any

import torch


def in_torch_script(code: Any) -> Any:
    """A function or module as TorchScript. Raises RuntimeError where it cannot be."""
    with warnings.catch_warnings():
        # torch 2.13 would have torch.compile instead, which needs a compiler on the machine.
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(code)
