"""`evaluate`: figures that do not compare are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from spacy_elmo.bilm.softmax import Softmax
from spacy_elmo.cli.app import app
from spacy_elmo.pretraining.corpus.prepare import prepare
from tests.tiny import tiny_lm

WORDS = ["<S>", "</S>", "<UNK>", "the", "bank"]


def evaluate(*args: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, args), "--tokenized"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, words in (("a", WORDS), ("b", [*WORDS[:-1], "mill"])):
        lm = tiny_lm()
        lm.softmax = Softmax(len(words), lm.config.projection_dim)
        lm.softmax.reset_parameters()
        lm.set_vocabulary(words)
        lm.save(tmp_path / name)
    (tmp_path / "text.txt").write_text("the bank\nthe mill\n", "utf8")
    return tmp_path


def test_figures_say_which_vocabulary_they_are_over(folder: Path) -> None:
    out = folder / "figures.json"
    first = evaluate(folder / "a", folder / "text.txt", "-o", out)
    assert first.exit_code == 0, first.output
    figures = json.loads(out.read_text("utf8"))[str(folder / "text.txt")]
    assert figures["vocabulary"]["words"] == 5
    assert f"over 5 words (vocabulary {figures['vocabulary']['digest']};" in first.output
    again = evaluate(folder / "a", folder / "text.txt", "-o", out)
    assert "Warning" not in again.output
    other = evaluate(folder / "b", folder / "text.txt", "-o", out)
    assert other.exit_code == 0, other.output
    assert "for a model of another vocabulary: the figures do not compare" in other.output
    assert json.loads(out.read_text("utf8")) != {str(folder / "text.txt"): figures}


@pytest.mark.parametrize("before", ["[1]", "{", '{"a": 1}', '{"a": {"average": 2.0}}'])
def test_any_other_file_is_replaced_without_a_word(folder: Path, before: str) -> None:
    (folder / "x.json").write_text(before)
    done = evaluate(folder / "a", folder / "text.txt", "-o", folder / "x.json")
    assert done.exit_code == 0, done.output
    assert "Warning" not in done.output
    assert str(folder / "text.txt") in json.loads((folder / "x.json").read_text("utf8"))


def test_a_corpus_that_was_prepared_with_another_vocabulary(folder: Path) -> None:
    prepare([folder / "text.txt"], folder / "c", tokenized=True, vocabulary=folder / "a/vocab.txt")
    assert "another vocabulary" not in evaluate(folder / "a", folder / "c").output
    other = evaluate(folder / "b", folder / "c")
    assert other.exit_code == 0, other.output
    assert "c was prepared with another vocabulary (5 words) than the model's (5)" in other.output
