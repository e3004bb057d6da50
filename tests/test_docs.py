"""The documentation names what the code reads and offers."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
TABLE_NAMES = set(re.findall(r"^\| `([A-Z_]+)`", CONFIGURATION, re.MULTILINE))


def _variables_read() -> set[str]:
    """Names given to the `env_…` functions anywhere in the web room's settings."""
    names = set()
    for path in (ROOT / "chatsite" / "settings.py", ROOT / "chatsite" / "env.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _is_reader(node.func):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    names.add(str(first.value))
    return names


def _is_reader(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id.startswith("env_")


def test_every_environment_variable_is_documented() -> None:
    assert _variables_read() - TABLE_NAMES == set()


def test_no_documented_variable_is_unknown_to_the_settings() -> None:
    assert TABLE_NAMES - _variables_read() == set()


def test_the_environment_is_read_in_one_place_only() -> None:
    """Elsewhere a variable would be missing from the list above."""
    readers = re.compile(r"os\.(environ\b(?!\.setdefault\(\"DJANGO)|getenv)")
    # The bench hands the environment on to the processes that it starts.
    hands_on = ROOT / "inference" / "bench" / "fanout" / "stage.py"
    allowed = {ROOT / "chatsite" / "env.py", hands_on}
    sources = [*(ROOT / "chatsite").rglob("*.py"), *(ROOT / "inference").rglob("*.py")]
    found = [p for p in sources if p not in allowed and readers.search(p.read_text())]
    assert [str(path.relative_to(ROOT)) for path in found] == []


@pytest.mark.parametrize(
    "document", ["README.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    path = ROOT / document if document == "README.md" else ROOT / "docs" / document
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_make_targets_named_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    # In code only: after a backtick, or at the start of an indented line.
    command = re.compile(r"(?:`|^ {4})(?:[A-Z_]+=\S+ )*make ([a-z-]+)", re.MULTILINE)
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {name for path in documents for name in command.findall(path.read_text())}
    assert named
    assert named - targets == set()
