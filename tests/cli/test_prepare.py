"""`prepare` from the command line: options arrive, losses are reported, mistakes take one line."""

import json

import pytest
from typer.testing import CliRunner

from spacy_elmo.cli.app import app
from spacy_elmo.formats.loading import MODELS
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.vocabulary import read_words


def prepare(*args: object, stdin: bytes | None = None):
    return CliRunner().invoke(app, ["prepare", *map(str, args)], input=stdin)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"a b c\n\nb c\xff b\n")
    return path


def test_options_arrive(text, tmp_path):
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("<S>\n</S>\n<UNK>\nc\n")
    out = tmp_path / "out"
    options = ["--tokenized", "--vocab", vocab, "--max-characters", 9, "--lang", "de"]
    assert prepare(text, text, out, *options).exit_code == 0
    corpus = Corpus(out)
    assert corpus.n_tokens == 12
    assert corpus.vocabulary == ["<S>", "</S>", "<UNK>", "c"]
    assert corpus.max_characters == 9
    assert corpus.meta["language"] == "de"
    assert prepare(text, out, "--tokenized").exit_code == 1
    assert prepare(text, out, "--tokenized", "--force", "--min-count", 2).exit_code == 0
    assert Corpus(out).vocabulary[3:] == ["b"]
    assert (
        prepare(text, out, "--tokenized", "-f", "--min-count", 1, "--max-vocab", 5).exit_code == 0
    )
    assert Corpus(out).vocabulary[3:] == ["b", "a"]


def test_report(text, tmp_path):
    result = prepare(text, tmp_path / "out", "--tokenized", "--min-count", 3)
    assert "6 words in 2 sentences, 7 types; the vocabulary's 4 cover 50.00%" in result.stderr
    assert "1 empty lines left out" in result.stderr
    assert "1 undecodable bytes replaced by U+FFFD" in result.stderr
    assert "cut" not in result.stderr  # of what did not happen, nothing is said
    assert str(tmp_path / "out") in result.output
    meta = json.loads((tmp_path / "out/corpus.json").read_text())
    assert (meta["empty_lines"], meta["undecodable_bytes"], meta["cut_lines"]) == (1, 1, 0)


def test_progress_where_nobody_watches(text, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_elmo.pretraining.report.meter.FIRST_LINE", 0.0)
    text.write_bytes(b"a b c\n" * 500_000)
    result = prepare(text, tmp_path / "out", "--tokenized")
    lines = result.stderr.splitlines()
    assert lines[0].split()[1:] == ["0.1", "MB", "read", "left", lines[0].split()[-1]]
    assert lines[1] == "Numbering 3 types and writing the corpus"
    assert "1,500,000 words" in lines[2]


def test_standard_input(tmp_path):
    result = prepare("-", tmp_path / "out", stdin="One. Twö\n".encode())
    assert result.exit_code == 0, result.output
    assert Corpus(tmp_path / "out").types[3:] == [".", "One", "Twö"]


def test_mistakes_take_one_line(tmp_path):
    result = prepare(tmp_path / "nowhere.txt", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == f"Error: no such file: {tmp_path / 'nowhere.txt'}\n"


def test_a_vocabulary_by_the_name_of_a_packaged_model(text, tmp_path):
    assert prepare(text, tmp_path / "out", "--tokenized", "--vocab", "en_elmo_sm").exit_code == 0
    assert Corpus(tmp_path / "out").vocabulary == read_words(MODELS / "en_elmo_sm" / "vocab.txt")
