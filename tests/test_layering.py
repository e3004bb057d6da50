"""The rooms keep to themselves: by their source, and in processes that really run."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_imports import ROOT, imports, violations


def test_the_project_keeps_the_rules() -> None:
    assert [str(one) for one in violations(ROOT)] == []


def _plant(root: Path, module: str, line: str) -> None:
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'"""Planted."""\n\n{line}\n')


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("chatsite.chat.views", "from inference.worker import InferenceWorker"),
        ("chatsite.chat.views", "from inference import backends"),
        ("chatsite.chat.views", "import inference.engine.process"),
        ("chatsite.chat.consumers", "import torch"),
        ("chatsite.chat.consumers", "def late():\n    from transformers import AutoTokenizer"),
        ("chatsite.chat.consumers", "from importlib import import_module\nimport_module('torch')"),
        ("inference.queue.claiming", "from chatsite.chat.models import Message"),
        ("inference.worker", "import chatsite"),
        ("inference.consumers", "import torch.nn"),
        ("inference.backends.local", "import torch"),
        ("inference.backends.local", "from django.conf import settings"),
        ("inference.text.template", "import torch"),
        ("inference.text.template", "from django.db import models"),
        ("inference.engine.sampler", "import numpy"),
        ("inference.bench.peers", "from inference.worker import InferenceWorker"),
        ("inference.bench.peers", "from django.conf import settings"),
        ("inference.worker", "from inference.bench import shapes"),
        ("inference.engine.sampler", "from inference.models import WorkerNode"),
        ("inference.engine.sampler", "from .. import models"),
        ("inference.engine.sampler", "from django.conf import settings"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, module: str, line: str) -> None:
    _plant(tmp_path, module, line)
    assert {one.module for one in violations(tmp_path)} == {module}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("chatsite.chat.views", "from inference.queue import submit"),
        ("chatsite.chat.views", "from inference import conf"),
        ("chatsite.metrics_view", "from inference.telemetry.exposition import exposition"),
        ("chatsite.asgi", "from inference.consumers import InferenceConsumer"),
        ("inference.engine.sampler", "import math\nimport torch\nfrom . import requests"),
        ("inference.text.template", "from transformers import PreTrainedTokenizerFast"),
        ("inference.demo_model.training", "import torch"),
        (
            "inference.bench.peers",
            "import torch\nfrom inference.engine.choice import choose_runner",
        ),
        ("inference.management.commands.bench", "from inference.bench.command import run"),
        (
            "chatsite.chat.views",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
        ),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path: Path, module: str, line: str) -> None:
    _plant(tmp_path, module, line)
    assert violations(tmp_path) == []


def test_relative_imports_are_resolved() -> None:
    source = "from . import a\nfrom .b import c\nfrom ..d import e"
    names = [name for _, name in imports(source, "p.q.module", is_package=False)]
    assert names == ["p.q.a", "p.q.b.c", "p.d.e"]
    assert [name for _, name in imports("from . import a", "p.q", is_package=True)] == ["p.q.a"]


PROBE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "chatsite.settings"
import django
django.setup()
{imports}
heavy = [name for name in ("torch", "transformers", "tokenizers", "numpy") if name in sys.modules]
print(",".join(heavy))
"""


@pytest.mark.parametrize(
    "line",
    [
        "import chatsite.asgi",
        "import chatsite.asgi; from inference.management.commands import runserver",
        "from inference.engine import child, mock_runner",
    ],
    ids=["web process", "runserver", "mock engine"],
)
def test_a_process_that_runs_no_model_loads_no_model_library(line: str) -> None:
    probe = [sys.executable, "-c", PROBE.format(imports=line)]
    result = subprocess.run(probe, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
