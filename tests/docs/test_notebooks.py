"""The notebooks: stored as executed, with nothing of the machine in them, and still true."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.docs.notebooks import METADATA, NOTEBOOKS, store

# Longer ones, which `make soak` executes.
LONG = ("tagger.ipynb",)
STYLES = {"senses.ipynb": ("similarity", "senses", "surprisal"), "tagger.ipynb": ("layers",)}
# Folders of a machine, objects by their address, and markup that runs or loads something.
OF_A_MACHINE = re.compile(r"/(home|root|tmp|work|Users|usr|var)/|[A-Z]:\\|\bat 0x[0-9a-f]{6}")
FROM_OUTSIDE = re.compile(r"<script|<link|@import|url\(|(src|href)=.?.?http")
# Figures that another processor may round differently; whole numbers must be the same.
FIGURE = re.compile(r"\d+%|\d+\.\d+")
POINTS = 3.0  # of an accuracy in per cent, after a training

every = pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in NOTEBOOKS])


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text("utf8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def joined(text: str | list[str]) -> str:
    """The format stores a text as its lines."""
    return "".join(text)


def markup(output: dict[str, Any]) -> str:
    return joined(output.get("data", {}).get("text/html", ""))


def shown(cell: dict[str, Any]) -> list[str]:
    """Texts of the outputs of a cell; what a picture is, in place of the picture."""
    found = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        found.append(joined(output["text"] if "text" in output else data["text/plain"]))
    return found


def close(figure: str, stored: str) -> bool:
    if stored.endswith("%"):
        return abs(float(figure[:-1]) - float(stored[:-1])) <= POINTS
    last_digit = 10.0 ** -len(stored.partition(".")[2])
    return abs(float(figure) - float(stored)) <= 1.01 * last_digit


def assert_same(found: str, stored: str) -> None:
    """The same words, and figures as close as they must be."""
    assert FIGURE.sub("#", found) == FIGURE.sub("#", stored)
    for figure, other in zip(FIGURE.findall(found), FIGURE.findall(stored), strict=True):
        assert close(figure, other), f"{figure} is not {other}: {found}"


def test_these_notebooks() -> None:
    assert {path.name for path in NOTEBOOKS} == set(STYLES)


@every
def test_the_format(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="no nbformat to check a notebook with")
    nbformat.validate(nbformat.read(path, as_version=nbformat.NO_CONVERT))


@every
def test_executed_from_top_to_bottom(path: Path) -> None:
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        source = joined(cell["source"])
        kinds = [each.get("name", each["output_type"]) for each in cell["outputs"]]
        assert set(kinds) <= {"stdout", "display_data", "execute_result"}, source
        assert ("stdout" in kinds) == ("print(" in source), source
        assert ("display_data" in kinds) == ("visual.render(" in source), source


@every
def test_nothing_of_a_machine(path: Path) -> None:
    book = json.loads(path.read_text("utf8"))
    assert book["metadata"] == METADATA
    assert not any(cell["metadata"] for cell in book["cells"])
    for cell in code_cells(path):
        for output in cell["outputs"]:
            assert not output.get("metadata")
            assert not OF_A_MACHINE.search(joined(output.get("text", "")) + markup(output))


@every
def test_pictures(path: Path) -> None:
    found = [(cell, output) for cell in code_cells(path) for output in cell["outputs"]]
    found = [(cell, output) for cell, output in found if output["output_type"] == "display_data"]
    for _, output in found:
        assert 'class="elmo' in markup(output)
        assert not FROM_OUTSIDE.search(markup(output))
    sources = "\n".join(joined(cell["source"]) for cell, _ in found)
    for style in STYLES[path.name]:
        assert f'style="{style}"' in sources, style


@every
def test_links(path: Path) -> None:
    for cell in json.loads(path.read_text("utf8"))["cells"]:
        if cell["cell_type"] == "markdown":
            for target in re.findall(r"\]\(([^)#:]+)", joined(cell["source"])):
                assert (path.parent / target).exists(), target


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.name, marks=pytest.mark.soak if path.name in LONG else ())
        for path in NOTEBOOKS
    ],
)
def test_the_outputs_still_hold(path: Path, tmp_path: Path) -> None:
    for tool in ("nbclient", "ipykernel"):
        pytest.importorskip(tool, reason=f"no {tool} to execute a notebook with")
    again = tmp_path / path.name
    shutil.copy(path, again)
    store(again)
    for found, stored in zip(code_cells(again), code_cells(path), strict=True):
        assert found["source"] == stored["source"]
        texts, expected = shown(found), shown(stored)
        assert len(texts) == len(expected), (texts, expected)
        for text, other in zip(texts, expected, strict=True):
            assert_same(text, other)
        drawn = ["<svg" in markup(output) for output in found["outputs"]]
        assert drawn == ["<svg" in markup(output) for output in stored["outputs"]]
    test_pictures(again)


@pytest.mark.parametrize(
    ("found", "stored", "same"),
    [
        ("10 of 12: 0.81", "10 of 12: 0.82", True),
        ("10 of 12: 0.80", "10 of 12: 0.82", False),
        ("9 of 12: 0.82", "10 of 12: 0.82", False),
        ("mean 89%", "mean 92%", True),
        ("mean 88%", "mean 92%", False),
        ("money", "shore", False),
    ],
)
def test_what_is_the_same(found: str, stored: str, same: bool) -> None:
    if same:
        assert_same(found, stored)
    else:
        with pytest.raises(AssertionError):
            assert_same(found, stored)
