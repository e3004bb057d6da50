"""What `scripts.check_translations` finds; the real translations are checked by `make check`."""

from pathlib import Path

import polib
import pytest

from scripts.check_translations import incomplete
from scripts.make_messages import compile_catalog


def _catalog(folder: Path, **fields: object) -> Path:
    path = folder / "django.po"
    catalog = polib.POFile()
    catalog.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    catalog.append(polib.POEntry(msgid="Stop", **fields))
    catalog.save(str(path))
    compile_catalog(path)
    return path


@pytest.mark.parametrize(
    "fields", [{"msgstr": "停止"}, {"msgid_plural": "Stops", "msgstr_plural": {0: "停止"}}]
)
def test_a_complete_translation_passes(tmp_path: Path, fields: dict[str, object]) -> None:
    assert list(incomplete(_catalog(tmp_path, **fields))) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"msgstr": ""}, "not translated"),
        ({"msgstr": "停止", "flags": ["fuzzy"]}, "fuzzy"),
        ({"msgid_plural": "Stops", "msgstr_plural": {0: ""}}, "not translated"),
    ],
)
def test_an_incomplete_translation_is_named(
    tmp_path: Path, fields: dict[str, object], problem: str
) -> None:
    (found,) = incomplete(_catalog(tmp_path, **fields))
    assert problem in found and "Stop" in found


def test_a_compiled_file_that_is_missing_or_behind_is_named(tmp_path: Path) -> None:
    path = _catalog(tmp_path, msgstr="停止")
    changed = polib.pofile(str(path))
    changed[0].msgstr = "中止"
    changed.save(str(path))
    assert "not made from" in " ".join(incomplete(path))
    path.with_suffix(".mo").unlink()
    assert "missing" in " ".join(incomplete(path))
