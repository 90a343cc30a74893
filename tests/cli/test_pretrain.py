"""`pretrain` and `evaluate` from the command line, from text to perplexity."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from spacy_elmo import BiLM
from spacy_elmo.cli.app import app
from spacy_elmo.formats.front_matter import split_card
from tests.pretraining.small import config, make_corpus, sentences


def _run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained by the command, with its texts beside it."""
    folder = tmp_path_factory.mktemp("model")
    corpus = make_corpus(folder / "text").path
    heldout = make_corpus(folder / "heldout", number=50, seed=1).path
    file = folder / "config.json"
    # With resets, so that it reads about as well from every state.
    made = config(tokens=None, order="text", reset_probability=0.1, data="Made up; CC0.")
    file.write_text(json.dumps(made.to_dict()))
    arguments = ("pretrain", corpus, folder / "out", "--config", file, "--heldout", heldout)
    without = _run(*arguments)
    assert without.exit_code == 1
    assert without.stderr.strip() == "Error: no budget: set epochs, tokens or seconds"
    result = _run(*arguments, "--tokens", 8000)
    assert result.exit_code == 0, result.output
    return folder / "out"


def test_pretrain_leaves_a_model_a_card_and_curves(model: Path) -> None:
    names = {path.name for path in model.iterdir()}
    weights = {"config.json", "weights.safetensors", "softmax.safetensors", "vocab.txt"}
    assert names == {*weights, "README.md", "curves.svg", "training"}
    card = (model / "README.md").read_text(encoding="utf8")
    assert "Made up; CC0." in card
    assert "\nlicense: cc0-1.0\nlibrary_name: spacy-elmo\n" in split_card(card)[0]
    assert "8,000 predicted tokens" in card
    assert "| each sentence from the zero state |" in card
    assert "| each sentence from the warm state |" in card


def test_evaluate_prints_and_writes_perplexities(model: Path, tmp_path: Path) -> None:
    text = tmp_path / "some.txt"
    text.write_text("\n".join(sentences(40, seed=1)) + "\n", encoding="utf8")
    file = tmp_path / "figures.json"
    result = _run("evaluate", model, text, "--tokenized", "--output", file)
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text(encoding="utf8"))[str(text)]
    assert 1.0 < figures["average"] < 8.0
    assert figures["unknown_rate"] == 0.0
    assert f"{figures['average']:.2f}" in result.output
    assert f"{figures['perplexity']['backward']:.2f}" in result.output
    for state in ("zero", "warm", "carry"):
        other = _run("evaluate", model, text, "--tokenized", "--state", state, "-o", file)
        if state == "warm" and other.exit_code:
            assert "no warm state" in other.stderr
            continue
        assert other.exit_code == 0, other.output
        found = json.loads(file.read_text(encoding="utf8"))[str(text)]
        assert found["state"] == state
        assert found["average"] == pytest.approx(figures["average"], rel=0.3)


def test_evaluate_tokenises_raw_text(model: Path, tmp_path: Path) -> None:
    """Raw text, WikiText's spacing undone, and the same words given: the same perplexity."""
    raw, spaced, words = (tmp_path / name for name in ("raw.txt", "spaced.txt", "words.txt"))
    raw.write_text("The cat sees 3.5 dogs. My old friend-like bank owns nothing!\n")
    spaced.write_text("The cat sees 3 @.@ 5 dogs. My old friend @-@ like bank owns nothing!\n")
    words.write_text("The cat sees 3.5 dogs .\nMy old friend - like bank owns nothing !\n")
    found = []
    for text, option in ((raw, None), (spaced, "--wikitext"), (words, "--tokenized")):
        file = tmp_path / "figures.json"
        arguments = ["evaluate", model, text, "--output", file]
        result = _run(*arguments, *([option] if option else []))
        assert result.exit_code == 0, result.output
        found.append(json.loads(file.read_text(encoding="utf8"))[str(text)])
    assert found[1] == found[0]
    assert found[2] == found[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pretrain", "nowhere", "out", "--tokens", "9"), "no such folder: nowhere"),
        (("evaluate", "nowhere", "text.txt"), "no weights at 'nowhere'"),
        (("evaluate", "en_elmo_sm", "text.txt", "--device", "gpu"), "device is 'gpu'"),
    ],
)
def test_mistakes_take_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = _run(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["text.txt.gz", "text.jsonl", "-", "corpus"])
def test_the_spacing_of_wikitext_is_that_of_plain_text(
    name: str, model: Path, tmp_path: Path
) -> None:
    """Replacing bytes of anything else would give a wrong figure, or none."""
    source = "-" if name == "-" else tmp_path / name
    if name == "corpus":
        source = make_corpus(tmp_path, number=5).path
    elif name != "-":
        (tmp_path / name).write_bytes(gzip.compress(b"the cat sees 3 @.@ 5 dogs\n"))
    result = _run("evaluate", model, source, "--wikitext")
    assert result.exit_code == 1
    assert "uncompressed file of plain text only" in result.stderr


def test_evaluate_tells_what_was_repaired(model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(b"the c\xffat .\n\n")
    result = _run("evaluate", model, text)
    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if str(text) in line]
    assert told == [
        f"{text}: 1 empty lines left out",
        f"{text}: 1 undecodable bytes replaced by U+FFFD",
    ]


def test_evaluate_needs_a_softmax(model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat .\n")
    bare = tmp_path / "bare"
    lm = BiLM.from_pretrained(model)
    lm.softmax = None
    lm.save(bare)
    result = _run("evaluate", bare, text)
    assert result.exit_code == 1
    assert "has no softmax" in result.stderr
