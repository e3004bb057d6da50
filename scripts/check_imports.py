"""Which room may import what (`docs/architecture.md`), checked on the source without running it.

`python -m scripts.check_imports` prints each import that breaks a rule, and fails if there is one.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers")
FRAMEWORK = ("django", "channels", "channels_redis", "daphne", "redis")


@dataclass(frozen=True)
class Rule:
    """Modules whose name starts with one of `of` keep to what `only` or `never` says.

    `only` speaks about imports below `among` (everything, if empty); `never` about all imports.
    Names are dotted prefixes.
    """

    of: tuple[str, ...]
    why: str
    only: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()

    def forbids(self, module: str, imported: str) -> bool:
        if not _below(module, self.of) or _below(module, self.besides):
            return False
        if _below(imported, self.never):
            return True
        if not self.only or (self.among and not _below(imported, self.among)):
            return False
        return not _below(imported, self.only)


RULES = (
    Rule(
        of=("chatsite",),
        among=("inference",),
        only=tuple(
            f"inference.{name}"
            for name in (
                "queue",
                "messages",
                "doorbell",
                "conf",
                "models",
                "errors",
                "telemetry",
                "apps",
            )
        ),
        # The one place that puts the rooms together: the application for every server and worker.
        besides=("chatsite.asgi",),
        why="the web room knows the queue, its messages and models, not how answers are made",
    ),
    Rule(
        of=("inference",),
        never=("chatsite",),
        why="the worker room does not know conversations, pages or accounts",
    ),
    Rule(
        of=("inference.engine",),
        only=("torch", "transformers", "inference.engine", *sys.stdlib_module_names),
        why="the engine room knows token ids: torch, transformers and the standard library only",
    ),
    Rule(
        of=("inference.text", "inference.backends"),
        never=("torch", *FRAMEWORK),
        why="text is made without torch and without Django",
    ),
    Rule(
        of=("inference",),
        never=HEAVY,
        besides=(
            "inference.engine",
            "inference.text",
            "inference.demo_model",
            "inference.bench",
            "inference.management.commands.train_demo_model",
        ),
        why="a process that only serves pages or claims requests must not load a model library",
    ),
    Rule(
        of=("inference.bench",),
        among=("inference", "django"),
        only=("inference.bench", "inference.engine"),
        # The site's own processes, as the bench starts them.
        besides=("inference.bench.fanout.process", "inference.bench.monitor.crowd"),
        why="the bench measures the engine; it knows neither the queue nor Django",
    ),
    Rule(
        of=("inference",),
        never=("inference.bench",),
        besides=("inference.bench", "inference.management.commands.bench"),
        why="a site that serves does not load what measures it",
    ),
    Rule(of=("chatsite",), never=HEAVY, why="no web process imports a model library"),
)


@dataclass(frozen=True)
class Violation:
    module: str
    line: int
    imported: str
    why: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.imported}: {self.why}"


def violations(root: Path, rules: Iterable[Rule] = RULES) -> list[Violation]:
    """What the sources below `root` break, in order of file and line."""
    found: dict[tuple[str, int, str], Violation] = {}
    for path in sorted(_sources(root)):
        module = _module_name(path, root)
        for line, imported in imports(path.read_text(), module, path.name == "__init__.py"):
            for rule in rules:
                if rule.forbids(module, imported):
                    one = Violation(module, line, imported, rule.why)
                    found.setdefault((module, line, rule.why), one)
    return list(found.values())


def imports(source: str, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, inside functions too; `from a import b` gives `a.b`.

    Imports for type checkers only are left out: they do not happen.
    """
    package = module if is_package else module.rpartition(".")[0]
    for node in _running(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and (name := _imported_by_call(node)):
            yield node.lineno, name


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from _running(child)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    above = parents[: len(parents) - (node.level - 1)]
    return ".".join([*above, *([node.module] if node.module else [])])


def _imported_by_call(node: ast.Call) -> str:
    """The module of `import_module("…")` or `__import__("…")` with a literal name."""
    called = ast.unparse(node.func).rpartition(".")[2]
    first = node.args[0] if node.args else None
    literal = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return str(first.value) if called in ("import_module", "__import__") and literal else ""  # type: ignore[union-attr]


def _sources(root: Path) -> Iterator[Path]:
    for room in ("chatsite", "inference"):
        yield from (root / room).rglob("*.py")


def _module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _below(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def main() -> int:
    found = violations(ROOT)
    for violation in found:
        print(violation)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
