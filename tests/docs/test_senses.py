"""docs/senses.md: its Python, its config, and its commands with that config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.util import load_config_from_str

from tests.docs import snippets

PAGE = snippets.ROOT / "docs/senses.md"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the Python of the page leaves, all blocks run in one namespace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("senses"))
        return snippets.run_python(PAGE)


def test_python(names: dict[str, Any]) -> None:
    labelled = [(span.start, span.label_) for span in names["doc"].spans["senses"]]
    assert labelled == [(4, "shore"), (10, "money")]  # as the page says
    words = {"bank": {"money": 2, "shore": 2, "turn": 1}, "arm": {"limb": 1}}
    assert names["senses"].words == words
    assert f"print(senses.words)  # {words}" in PAGE.read_text("utf8")
    assert "shore" in names["html"]
    for nlp in (names["nlp"], names["again"]):
        doc = nlp("My arm hurts. We sat on the bank of the river.")
        assert [span.text for span in doc.spans["senses"]] == ["arm", "bank"]


def test_config() -> None:
    (block,) = snippets.blocks(PAGE, "ini")
    nlp = spacy.util.load_model_from_config(load_config_from_str(block), auto_fill=True)
    assert nlp.pipe_names == ["elmo", "elmo_senses"]
    assert nlp.config["training"]["score_weights"]["spans_senses_acc"] == 1.0


@pytest.mark.soak
def test_commands(names: dict[str, Any], tmp_path: Path) -> None:
    (block,) = snippets.blocks(PAGE, "ini")
    (tmp_path / "senses.cfg").write_text(block, "utf8")
    docs: list[Doc] = [names["example"](*each).reference for each in names["LABELLED"]]
    for name in ("train", "dev"):
        DocBin(docs=docs).to_disk(tmp_path / f"{name}.spacy")
    snippets.run_commands(PAGE, tmp_path)
    trained = spacy.load(tmp_path / "trained/model-last")
    assert trained.get_pipe("elmo_senses").words == {"bank": {"money": 2, "shore": 2}}  # type: ignore[attr-defined]
