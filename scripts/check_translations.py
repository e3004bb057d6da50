"""Are the translations complete, and is what the site loads made from them?

Fails with a line for each string without a translation, each fuzzy one, each `.mo` that differs
from its `.po`, and, where gettext is installed, each string of the source that a `.po` lacks.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polib

ROOT = Path(__file__).resolve().parents[1]
DOMAINS = {"django": "html,txt,py", "djangojs": "js,mjs"}
# Not ours, or not shown to anybody.
IGNORED = ("tests/*", "scripts/*", "var/*", ".venv/*", "static/vendor/*", "inference/demo_model/*")


def main() -> int:
    catalogs = sorted(ROOT.glob("locale/*/LC_MESSAGES/*.po"))
    problems = [problem for path in catalogs for problem in incomplete(path)]
    if not catalogs:
        problems.append("locale: no translation was found")
    if shutil.which("xgettext"):
        problems += missing(catalogs)
    else:
        print("gettext is not installed: strings missing from the .po files go unnoticed here.")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def incomplete(path: Path) -> Iterator[str]:
    """What is untranslated or fuzzy in one `.po`, or stale in its `.mo`."""
    catalog = polib.pofile(str(path))
    name = _name(path)
    for entry in catalog.untranslated_entries():
        yield f"{name}: not translated: {entry.msgid!r}"
    for entry in catalog.fuzzy_entries():
        yield f"{name}: fuzzy: {entry.msgid!r}"
    compiled = path.with_suffix(".mo")
    if not compiled.exists():
        yield f"{_name(compiled)}: missing; run `make messages`"
    elif _pairs(polib.mofile(str(compiled))) != _pairs(catalog.translated_entries()):
        yield f"{_name(compiled)}: not made from the .po beside it; run `make messages`"


def missing(catalogs: list[Path]) -> Iterator[str]:
    """Strings that the source says and a `.po` lacks, or that a `.po` has and nobody says."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("chatsite", "inference", "templates", "static", "locale", "manage.py"):
            _copy(ROOT / part, copy / part)
        make_messages(copy)
        for path in catalogs:
            fresh = polib.pofile(str(copy / path.relative_to(ROOT)))
            before, after = _keys(polib.pofile(str(path))), _keys(fresh)
            for context, msgid in sorted(after - before, key=str):
                yield f"{_name(path)}: lacks {msgid!r}" + (f" ({context})" if context else "")
            for _context, msgid in sorted(before - after, key=str):
                yield f"{_name(path)}: nobody says {msgid!r} any more"


def make_messages(root: Path) -> None:
    """Gathers strings below `root` into its `.po` files."""
    for domain, extensions in DOMAINS.items():
        command = [sys.executable, "manage.py", "makemessages", "--all", "--domain", domain]
        command += ["--no-location", "--no-obsolete", "--extension", extensions]
        for pattern in IGNORED:
            command += ["--ignore", pattern]
        subprocess.run(
            command,
            cwd=root,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(root), "CHATSITE_DATA_DIR": str(root / "var")},
        )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        ignore = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(source, target, ignore=ignore)
    elif source.exists():
        shutil.copy(source, target)


def _keys(catalog: polib.POFile) -> set[tuple[str | None, str]]:
    return {(entry.msgctxt, entry.msgid) for entry in catalog if not entry.obsolete}


def _pairs(entries: Iterable[Any]) -> dict[tuple[str | None, str], object]:
    return {(one.msgctxt, one.msgid): one.msgstr_plural or one.msgstr for one in entries}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


if __name__ == "__main__":
    sys.exit(main())
