"""docs/pictures.md: its snippets are run, and its options are those that there are."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_elmo.cli.app import app
from spacy_elmo.visual.display import STYLES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "pictures.md").read_text("utf8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for code in blocks("python"):
        exec(compile(code, "pictures.md", "exec"), namespace)
    assert str(namespace["svg"]).startswith("<svg")
    assert (tmp_path / "logs" / "vectors.tsv").exists()


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("They sat on the river bank.\nThe bank raised its rates.\n")
    for line in blocks("bash")[0].splitlines():
        words = shlex.split(line)
        assert words[:2] == ["spacy", "elmo"]
        done = CliRunner().invoke(app, words[2:])
        assert done.exit_code == 0, f"{line}\n{done.output}"
    assert {path.name for path in tmp_path.iterdir()} >= {"explorer.html", "bank.svg"}


def test_every_option_is_described_with_its_default() -> None:
    table = PAGE.partition("## Options")[2].partition("What is left out")[0]
    described: dict[str, list[str]] = {}
    for row in re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|", table, re.MULTILINE):
        names, styles, defaults = (cell.replace("`", "").replace("20,000", "20000") for cell in row)
        for name, default in zip(names.split(", "), defaults.split(", "), strict=True):
            described[name] = [styles, default.strip('"')]
    options = {
        (field.name, style): str(field.default)
        for style, each in STYLES.items()
        for field in fields(each.options)
    }
    assert {name for name, _ in options} == set(described)
    for (name, style), default in options.items():
        styles, said = described[name]
        assert styles == "all" or style in styles, name
        assert said == default, name


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (DOCS / target).exists(), target
