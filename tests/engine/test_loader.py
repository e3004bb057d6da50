"""Loading: what is refused, and what is read from a model's files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from inference.engine import loader, weights
from inference.engine.choice import DEFAULT_SLOTS
from inference.engine.errors import LoadError
from inference.engine.events import LoadProgress
from inference.engine.options import EngineOptions
from tests.engine.models import a_config, a_model, save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("llama"))


@pytest.fixture(autouse=True)
def _same_threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_folder_is_loaded_with_progress(folder: Path) -> None:
    stages: list[LoadProgress] = []
    runner, info = loader.build(EngineOptions(str(folder), device="cpu", threads=1), stages.append)
    assert [stage.stage for stage in stages] == ["reading weights", "warming up"]
    assert (info.device, info.dtype, info.max_model_len) == ("cpu", "float32", 128)
    assert info.eos_token_ids == {2}
    assert torch.get_num_threads() == 1
    assert (info.runner, info.slots) == ("packed", DEFAULT_SLOTS)
    assert runner.report().running == 1  # the warm-up, which is over
    assert runner.step() == []


def test_the_context_is_the_smaller_of_model_and_option() -> None:
    config = a_config("llama")
    assert loader.context_length(config, None) == 128
    assert loader.context_length(config, 64) == 64
    assert loader.context_length(config, 4096) == 128
    assert loader.context_length(a_config("gpt2"), None) == 128
    assert loader.context_length(a_config("mamba"), None) == loader.UNLIMITED_CONTEXT
    assert loader.context_length(a_config("mamba"), 20_000) == 20_000


def test_a_model_is_named_for_people(tmp_path: Path) -> None:
    (tmp_path / "tiny" / "weights").mkdir(parents=True)
    assert loader.display_name("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"
    assert loader.display_name(str(tmp_path / "tiny")) == "tiny"
    assert loader.display_name(str(tmp_path / "tiny" / "weights")) == "tiny"


def test_all_eos_tokens_count() -> None:
    model = a_model()
    model.generation_config.eos_token_id = [5, 6]
    assert loader.eos_token_ids(model) == {2, 5, 6}


def test_auto_is_exact_on_a_cpu_and_small_on_a_gpu() -> None:
    assert loader.choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert loader.choose_dtype("auto", torch.device("cuda")) == torch.bfloat16
    assert loader.choose_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16


@pytest.mark.parametrize(("field", "value"), [("dtype", "int4"), ("device", "abacus")])
def test_an_option_that_does_not_exist_is_refused(folder: Path, field: str, value: str) -> None:
    given: dict[str, Any] = {"model": str(folder), field: value}
    options = EngineOptions(**given)
    with pytest.raises(LoadError, match=value):
        loader.build(options, lambda progress: None)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    save_model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(LoadError, match="safetensors"):
        weights.find_weights(str(tmp_path), lambda progress: None)


@pytest.mark.parametrize("model", ["", "/no/such/folder", "./nothing", "a/b/c"])
def test_a_name_that_is_no_folder_and_no_hub_id_is_refused(model: str) -> None:
    with pytest.raises(LoadError, match="no folder"):
        weights.find_weights(model, lambda progress: None)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="config"):
        weights.find_weights(str(tmp_path), lambda progress: None)


def test_damaged_weights_are_a_sentence(tmp_path: Path) -> None:
    save_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(LoadError, match="cannot be loaded"):
        loader.load_model(tmp_path, torch.float32, torch.device("cpu"))


def test_a_hub_id_is_fetched_without_pickles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def download(model: str, allow_patterns: list[str], tqdm_class: Any) -> str:
        asked.update(model=model, patterns=allow_patterns)
        bar = tqdm_class(total=200, unit="B", unit_scale=True, name="x", mininterval=0)
        bar.update(100)
        bar.close()
        tqdm_class([1, 2], desc="Fetching").close()
        return str(folder)

    import transformers.utils.hub as hub

    monkeypatch.setattr(hub, "snapshot_download", download)
    told: list[LoadProgress] = []
    assert weights.find_weights("some/model", told.append) == folder
    assert asked["model"] == "some/model"
    assert not any("bin" in pattern or "pt" in pattern for pattern in asked["patterns"])
    assert any(progress.fraction == 0.5 for progress in told)


def test_an_unreachable_hub_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers.utils.hub as hub

    def fail(*args: Any, **kwargs: Any) -> str:
        raise OSError("no route\nmore lines")

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(LoadError, match="no route"):
        weights.find_weights("some/model", lambda progress: None)


def test_an_encoder_decoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(is_encoder_decoder=True)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", lambda *a, **k: config)
    with pytest.raises(LoadError, match="causal"):
        loader.load_model(tmp_path, torch.float32, torch.device("cpu"))
