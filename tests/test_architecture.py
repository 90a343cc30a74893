"""The arrows of the house, read off the imports: docs/architecture.md in a form that is checked.

python -m tests.test_architecture    # the rooms and floors of each package
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1] / "spacy_elmo"
NAME = "spacy_elmo"

GROUND = {
    "types",
    "errors",
    "files",
    "aside",
    "exchange",
    "replacing",
    "locks",
    "fork_lock",
    "home",
    "fields",
    "vocabulary",
    "languages",
}
# What the modules of each top package may import beside each other.
ARROWS: dict[str, set[str]] = {
    **dict.fromkeys(GROUND, GROUND),
    "bilm": GROUND,
    "catalogue": GROUND,
    "formats": {"bilm", "catalogue", *GROUND},
    "text": GROUND,
    "pretraining": {"text", "formats", "bilm", *GROUND},
    "pipeline": {"formats", "bilm", *GROUND},
    "embedding": {"pipeline", "text", "formats", "bilm", *GROUND},
    "visual": {"pipeline", "pretraining", *GROUND},
    "cli": {
        "visual",
        "embedding",
        "pipeline",
        "pretraining",
        "text",
        "formats",
        "catalogue",
        "bilm",
        *GROUND,
    },
    "__main__": {"cli"},
    "__init__": {"visual", "embedding", "pipeline", "formats", "bilm", *GROUND},
}
# The one arrow back: `BiLM.from_pretrained` and `save` import it when they are called.
BACK = ("bilm.bilm", "formats")
# Rooms that do not know each other, beside what follows from there being no circles.
APART = (
    ("pipeline.doc", "pipeline.listening"),
    ("pipeline.doc", "pipeline.model"),
    ("pipeline.model", "pipeline.listening"),
    ("pretraining.batches", "pretraining.step"),
    ("pretraining.run", "pretraining.report"),
)
SPACY = {"spacy", "thinc", "srsly", "wasabi", "weasel"}
SPACY_ROOMS = (
    "pipeline",
    "visual",
    "cli",
    "pretraining.corpus",
    "embedding.docs",
    "embedding.source",  # the type of a pipeline that it is given
    "embedding.embed",
    "embedding.distill",
)
SUBROOMS = ("bilm", "formats", "pretraining", "pipeline")


class Import(NamedTuple):
    """An import of a module. lazy: Whether it is inside a function."""

    source: str
    target: str
    lazy: bool


@cache
def modules(root: Path) -> dict[str, Path]:
    """Modules of the package by their name without the package's own."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts != ("__init__",) and parts[-1] == "__init__":
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


def imported_names(path: Path, package: str) -> Iterator[tuple[str, bool]]:
    """Every module or name of a module that a file imports, `TYPE_CHECKING` ones too, in full, and
    whether that happens inside a function.

    package: Name of the package that the file is in.
    """
    tree = ast.parse(path.read_text("utf8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        lazy = id(node) in inside
        if isinstance(node, ast.Import):
            yield from ((alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parts = package.split(".")
                start = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [start])])
            yield from ((f"{start}.{alias.name}", lazy) for alias in node.names)


@cache
def imports(root: Path) -> list[Import]:
    """Imports of modules of the package by each other."""
    known = modules(root)
    found = set()
    for source, path in known.items():
        package = ".".join([NAME, *path.relative_to(root).parts[:-1]])
        for name, lazy in imported_names(path, package):
            if name.partition(".")[0] != NAME:
                continue
            target = name.partition(".")[2]
            while target and target not in known:  # a name of a module, or of the package
                target = target.rpartition(".")[0]
            if (target or "__init__") != source:
                found.add(Import(source, target or "__init__", lazy))
    return sorted(found)


@cache
def libraries(root: Path) -> dict[str, set[str]]:
    """What each module imports from outside, by its top name."""
    return {
        source: {name.partition(".")[0] for name, _ in imported_names(path, NAME)} - {NAME}
        for source, path in modules(root).items()
    }


def is_in(module: str, room: str) -> bool:
    """Whether a module is a room or stands in it."""
    return module == room or module.startswith(room + ".")


def top(module: str) -> str:
    """The top package of a module."""
    return module.partition(".")[0]


Graph = Mapping[str, set[str]]


def graph_of(pairs: Iterable[tuple[str, str]], label: Callable[[str], str] = str) -> Graph:
    """What each label reaches by one import; a label does not reach itself."""
    graph: dict[str, set[str]] = {}
    for source, target in pairs:
        a, b = label(source), label(target)
        graph.setdefault(a, set())
        graph.setdefault(b, set())
        if a != b:
            graph[a].add(b)
    return graph


def reached(graph: Graph, start: str) -> set[str]:
    """What a label reaches by any number of imports."""
    found: set[str] = set()
    todo = [start]
    while todo:
        new = graph[todo.pop()] - found
        found |= new
        todo += new
    return found


def circles(graph: Graph) -> list[list[str]]:
    """Groups of labels that all reach each other."""
    every = {label: reached(graph, label) for label in graph}
    groups = {
        frozenset(other for other in every[label] if label in every[other]) for label in graph
    }
    return sorted(sorted(group) for group in groups if group)


def floors(graph: Graph) -> int:
    """Members on the longest chain, those of a circle counted as one."""
    group = {member: "+".join(circle) for circle in circles(graph) for member in circle}
    pairs = [(a, b) for a, others in graph.items() for b in others or [a]]
    flat = graph_of(pairs, lambda member: group.get(member, member))

    @cache
    def height(node: str) -> int:
        return 1 + max((height(other) for other in flat[node]), default=0)

    return max(map(height, flat), default=0)


def room_in(package: str) -> Callable[[str], str]:
    """The room of a top package that a module stands in: a child of the package.

    A `__main__` is above everything, wherever it stands: nothing imports it.
    """

    def label(module: str) -> str:
        if module.endswith(".__main__"):
            return module
        return ".".join(module.split(".")[:2]) if module != package else package

    return label


def within(root: Path, package: str) -> list[tuple[str, str]]:
    """Imports inside a top package; of its `__init__`, which only lists names, those by others."""
    return [
        (source, target)
        for source, target, _ in imports(root)
        if top(source) == top(target) == package and source != package
    ]


def plan(root: Path) -> str:
    """Files, rooms and floors of each top package, as a table."""
    lines = [
        "| package | files | floors of files | rooms | floors of rooms |",
        "|---|---|---|---|---|",
    ]
    for package in sorted({top(name) for name in modules(root)} - {"__init__", "__main__"}):
        names = {name for name in modules(root) if top(name) == package}
        files = {name for name in names if modules(root)[name].name != "__init__.py"}
        pairs = [*within(root, package), *((name, name) for name in files)]
        by_room = graph_of(pairs, room_in(package))
        rooms = set(map(room_in(package), files))
        figures = (len(files), floors(graph_of(pairs)), len(rooms), floors(by_room))
        lines.append(f"| {package} | {' | '.join(map(str, figures))} |")
    pairs = [
        (source, target)
        for source, target, _ in imports(root)
        if "__init__" not in (source, target) and (source, top(target)) != BACK
    ]
    lines += [f"\ncircle: {', '.join(circle)}" for circle in circles(graph_of(pairs))]
    return "\n".join(lines)


@pytest.mark.parametrize("package", sorted({top(name) for name in modules(ROOT)}))
def test_a_top_package_imports_what_is_below_it(package: str) -> None:
    wrong = {
        (source, target)
        for source, target, _ in imports(ROOT)
        if top(source) == package != top(target)
        and top(target) not in ARROWS[package]
        and target != "__init__"
        and (source, top(target)) != BACK
    }
    assert wrong == set()


def test_the_version_is_all_that_is_read_from_the_package_itself() -> None:
    names = {
        (source, name.rpartition(".")[2])
        for source, path in modules(ROOT).items()
        for name, _ in imported_names(path, NAME)
        if name.rpartition(".")[0] == NAME and name.rpartition(".")[2] not in modules(ROOT)
    }
    assert {name for _, name in names} <= {"__version__"}


def test_nothing_imports_a_main() -> None:
    assert not [pair for pair in imports(ROOT) if pair.target.endswith("__main__")]


def test_there_are_no_circles() -> None:
    pairs = [
        (source, target)
        for source, target, _ in imports(ROOT)
        if (source, top(target)) != BACK and "__init__" not in (source, target)
    ]
    assert circles(graph_of(pairs)) == []


@pytest.mark.parametrize("package", SUBROOMS)
def test_rooms_side_by_side_have_no_circles(package: str) -> None:
    """Modules that stand in a package beside its rooms may be above one and below another, so
    each is a room of its own here. A command, `python -m ROOM`, stands above all of them."""
    pairs = [pair for pair in within(ROOT, package) if not pair[0].endswith(".__main__")]
    assert circles(graph_of(pairs, room_in(package))) == []


@pytest.mark.parametrize(("room", "other"), APART)
def test_rooms_that_do_not_know_each_other(room: str, other: str) -> None:
    known = modules(ROOT)
    assert room in known
    assert other in known
    assert [
        pair for pair in imports(ROOT) if is_in(pair.source, room) and is_in(pair.target, other)
    ] == []


def test_the_network_starts_inference_in_one_place() -> None:
    starts = {
        source
        for source, target, _ in imports(ROOT)
        if is_in(source, "bilm")
        and not is_in(source, "bilm.inference")
        and is_in(target, "bilm.inference")
    }
    assert len(starts) <= 1


def test_formats_are_imported_when_they_are_called() -> None:
    back = [pair for pair in imports(ROOT) if (pair.source, top(pair.target)) == BACK]
    assert back
    # The readers of all formats were nearly half of the time of importing the component.
    back += [p for p in imports(ROOT) if is_in(p.source, "pipeline") and top(p.target) == "formats"]
    assert all(pair.lazy for pair in back)


def test_spacy_stays_in_its_rooms() -> None:
    wrong = {
        name: found & SPACY
        for name, found in libraries(ROOT).items()
        if found & SPACY and not any(is_in(name, room) for room in SPACY_ROOMS)
    }
    assert wrong == {}


def test_the_ground_needs_no_network() -> None:
    allowed = {"numpy", "torch", *sys.stdlib_module_names}
    wrong = {name: libraries(ROOT)[name] - allowed for name in GROUND & set(modules(ROOT))}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_plan_can_be_printed() -> None:
    print(f"\n{plan(ROOT)}")
    assert floors(graph_of([("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")])) == 3
    assert circles(graph_of([("a", "b"), ("b", "c"), ("c", "b")])) == [["b", "c"]]


if __name__ == "__main__":
    print(plan(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
