"""Finding and reading a tokenizer; every refusal is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference.text.errors import TokenizerError
from inference.text.tokenizer import Tokenizer
from tests.engine.models import save_tokenizer


def test_a_saved_tokenizer_is_read_with_its_template(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    tokenizer = Tokenizer.load(str(tmp_path))
    assert tokenizer.chat_template
    assert tokenizer.special_tokens["eos_token"] == "<|im_end|>"
    assert tokenizer.eos_token_ids == {2}
    assert tokenizer.control_ids == {0, 1, 2}
    assert tokenizer.decode(tokenizer.encode("日本 hello<|im_end|>")) == "日本 hello"


def test_plain_and_control_encoding_agree_without_literals(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    tokenizer = Tokenizer.load(str(tmp_path))
    assert tokenizer.encode_plain("hello <world|>") == tokenizer.encode("hello <world|>")


def test_a_model_without_a_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"sentencepiece")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        Tokenizer.load(str(tmp_path))


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(TokenizerError, match="cannot be read"):
        Tokenizer.load(str(tmp_path))


@pytest.mark.parametrize("model", ["", "/no/such/folder", "./nothing", "a/b/c"])
def test_a_name_that_is_no_folder_and_no_hub_id_is_refused(model: str) -> None:
    with pytest.raises(TokenizerError, match="no folder"):
        Tokenizer.load(model)


def test_a_hub_id_is_fetched_without_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    save_tokenizer(tmp_path)
    asked: list[Any] = []

    def download(model: str, allow_patterns: list[str]) -> str:
        asked.append((model, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert Tokenizer.load("some/model").chat_template
    assert asked[0][0] == "some/model"
    assert not any("safetensors" in pattern or "bin" in pattern for pattern in asked[0][1])


def test_an_unreachable_hub_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fail(*args: Any, **kwargs: Any) -> str:
        raise OSError("no route\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(TokenizerError, match="no route"):
        Tokenizer.load("some/model")
