"""Gathers the strings to translate into `locale/`, and compiles the translations that are there."""

from pathlib import Path

import polib

from scripts.check_translations import ROOT, make_messages


def compile_catalog(path: Path) -> None:
    polib.pofile(str(path)).save_as_mofile(str(path.with_suffix(".mo")))


def main() -> None:
    make_messages(ROOT)
    for path in sorted(ROOT.glob("locale/*/LC_MESSAGES/*.po")):
        compile_catalog(path)


if __name__ == "__main__":
    main()
