"""A notebook, executed by Jupyter's own client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.notebooks import execute

SETUP = """
import spacy
from spacy_elmo import visual
nlp = spacy.blank("en")
nlp.add_pipe("elmo", config={{"model": {{"weights": {weights!r}}}}})
doc = nlp("The bank by the river bank")
"""


def test_a_notebook_shows_pictures(weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="no nbclient to execute a notebook with")
    pytest.importorskip("ipykernel", reason="no ipykernel to execute a notebook with")
    import nbformat

    book = nbformat.v4.new_notebook()
    book.cells = [
        nbformat.v4.new_code_cell(code)
        for code in (
            SETUP.format(weights=str(weights)),
            "visual.render(doc)",
            'visual.render(doc, style="explorer")',
            "len(visual.render(doc, jupyter=False))",
        )
    ]
    execute(book, tmp_path)
    outputs = [cell["outputs"] for cell in book.cells]
    assert outputs[0] == []
    (picture,), (explorer,) = outputs[1:3]
    assert "<svg" in picture["data"]["text/html"]
    assert "<iframe srcdoc=" in explorer["data"]["text/html"]
    (plain,) = outputs[3]
    assert int(plain["data"]["text/plain"]) > 1000
