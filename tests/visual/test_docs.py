"""docs/pictures.md: the options it names are those that there are."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from spacy_elmo.visual.display import STYLES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "pictures.md").read_text("utf8")


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
