"""`score`: what the language model says of each token, in lines that stay with their tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import spacy
from click.testing import Result
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner

from spacy_elmo.bilm import BiLM
from spacy_elmo.cli.app import app
from tests.pipeline.scored import WORDS, scored_weights
from tests.tiny import tiny_lm


def score(*args: object) -> Result:
    return CliRunner().invoke(app, ["score", *map(str, args)])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scored_weights(tmp_path_factory.mktemp("scored") / "weights")


def expected(weights: Path, sentences: list[list[str]]) -> tuple[list[float], list[float]]:
    """Bits of all words, forwards and backwards."""
    scores = BiLM.from_pretrained(weights).score(sentences)
    backward = [score.backward[1:] for score in scores if score.backward is not None]
    columns = [score.forward[:-1] for score in scores], backward
    forward, back = ((np.concatenate(each) / -np.log(2)).tolist() for each in columns)
    return forward, back


def test_a_line_per_token(weights: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("They sat.\tThe bank raised\n\nthe \\ river\n", "utf8")
    done = score(weights, text)
    assert done.exit_code == 0, done.output
    header, *lines = done.stdout.splitlines()
    assert header.split("\t") == [
        "entry", "token", "text", "surprisal", "surprisal_backward", "unknown",
    ]  # fmt: skip
    rows = [line.split("\t") for line in lines]
    texts = ["They", "sat", ".", "\\t", "The", "bank", "raised", "the", "\\\\", "river"]
    assert [row[2] for row in rows] == texts
    assert [(int(row[0]), int(row[1])) for row in rows] == [
        *((0, k) for k in range(7)),
        *((1, k) for k in range(3)),
    ]
    assert rows[3][3:] == ["0.000000", "0.000000", "0"]
    words = [["They", "sat", "."], ["The", "bank", "raised"], ["the", "\\", "river"]]
    forward, backward = expected(weights, words)
    del rows[3]
    assert [float(row[3]) for row in rows] == pytest.approx(forward, rel=1e-4, abs=1e-5)
    assert [float(row[4]) for row in rows] == pytest.approx(backward, rel=1e-4, abs=1e-5)
    assert [row[5] for row in rows] == [str(int(row[2] not in WORDS)) for row in rows]
    assert "1 empty lines left out" in done.stderr


def test_a_line_per_entry_aligned_to_its_tokens(weights: Path, tmp_path: Path) -> None:
    """JSONL with tokens, a .spacy file with sentences and an empty Doc, in one run."""
    (tmp_path / "a.jsonl").write_text('{"tokens": ["The bank", "sat"]}\n', "utf8")
    nlp = spacy.blank("en")
    docs = [
        Doc(nlp.vocab, words=["They", "sat", "the", "bank"], sent_starts=[1, 0, 1, 0]),
        Doc(nlp.vocab, words=[]),
    ]
    DocBin(docs=docs).to_disk(tmp_path / "b.spacy")
    out = tmp_path / "new" / "scores.jsonl"
    done = score(weights, tmp_path / "a.jsonl", tmp_path / "b.spacy", "-o", out)
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in out.read_text("utf8").splitlines()]
    assert [record["entry"] for record in records] == [0, 1, 2]
    assert records[0]["tokens"] == ["The bank", "sat"]
    assert records[0]["unknown"] == [True, False]
    assert records[2]["tokens"] == records[2]["surprisal"] == []
    forward, backward = expected(weights, [["The bank", "sat"], ["They", "sat"], ["the", "bank"]])
    found = [bits for each in records for bits in each["surprisal"]]
    assert found == pytest.approx(forward, rel=1e-4, abs=1e-5)
    found = [bits for each in records for bits in each["surprisal_backward"]]
    assert found == pytest.approx(backward, rel=1e-4, abs=1e-5)


def test_a_forward_only_model_says_nothing_backwards(tmp_path: Path) -> None:
    weights = scored_weights(tmp_path / "weights", bidirectional=False)
    (tmp_path / "text.txt").write_text("the bank\n")
    done = score(weights, tmp_path / "text.txt", "--tokenized")
    assert [line.split("\t")[4] for line in done.stdout.splitlines()[1:]] == ["", ""]
    done = score(weights, tmp_path / "text.txt", "--tokenized", "--format", "jsonl")
    assert json.loads(done.stdout)["surprisal_backward"] is None


def test_mistakes_are_told_before_work_is_done(weights: Path, tmp_path: Path) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "out.tsv"
    text.write_text("the bank\n")
    tiny_lm().save(tmp_path / "bare")
    for args, message in (
        ((tmp_path / "bare", text), "softmax.safetensors"),
        ((weights, text, "--state", "warm"), "warm"),
        ((weights, text, "--state", "carry"), "carry"),
        ((weights, text, "--format", "csv"), "expected one of tsv, jsonl"),
        ((weights, text, "--lang", "xx9"), "language 'xx9'"),
        ((weights, tmp_path / "none.txt"), "no such file"),
        ((tmp_path / "nowhere", text), "nowhere"),
    ):
        done = score(*args, "-o", out)
        assert done.exit_code == 1, args
        assert message in done.stderr, done.stderr
        assert not out.exists()


def test_nothing_half_done_is_left(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    out.write_text("before")
    (tmp_path / "text.jsonl").write_text('{"text": "the bank"}\n{"oops": 1}\n')
    done = score(weights, tmp_path / "text.jsonl", "-o", out, "--force")
    assert done.exit_code == 1
    assert "text.jsonl, line 2" in done.stderr
    assert out.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"out.tsv", "text.jsonl"}


def test_an_output_is_replaced_by_force_alone(weights: Path, tmp_path: Path) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "out.tsv"
    text.write_text("the bank\n")
    out.write_text("before")
    done = score(weights, text, "-o", out)
    assert done.exit_code == 1
    assert "--force to replace it" in done.stderr
    assert out.read_text() == "before"
    assert score(weights, text, "-o", out, "--force").exit_code == 0
    assert out.read_text().startswith("entry\ttoken")
