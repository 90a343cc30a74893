"""What is an entry: of every kind of file, and of what Python gives."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_elmo import BiLM, CorpusError, EmbeddingError, embed
from spacy_elmo.embedding.docs.tokenizer import LONGEST_RUN, Tokenizer
from spacy_elmo.embedding.entries import Splitter, TextFiles, entry_of_words
from tests.embedding.outputs import read

LINES = ["The bank  raised", "", " Hello\t", "Hello", "x" * 20, "straße 🏦"]


def raws(*paths: Path | str) -> list[object]:
    return list(TextFiles(paths).entries(Tokenizer("en")))


@pytest.mark.parametrize("opened", [open, gzip.open, bz2.open, lzma.open])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines(opened, end: str, tmp_path: Path) -> None:
    suffix = {gzip.open: ".gz", bz2.open: ".bz2", lzma.open: ".xz"}.get(opened, "")
    path = tmp_path / f"text.txt{suffix}"
    with opened(path, "wb") as file:
        file.write(end.join(LINES).encode())
    assert raws(path, path) == LINES * 2


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a b\n\nc\n")))
    assert raws("-") == ["a b", "", "c"]


def test_long_lines_are_one_entry_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("spacy_elmo.text.reading.BLOCK_BYTES", 64)
    lines = ["a b", "word " * 50 + "end", "", "x" * 200, "c", "ü " * 64]
    for number, text in enumerate(["\n".join(lines), "\n".join(lines) + "\n"]):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf8")
    assert raws(tmp_path / "0.txt", tmp_path / "1.txt") == lines * 2


def test_records(tmp_path: Path) -> None:
    records = [{"text": "two\nlines"}, {"tokens": ["a b", "c"]}, {"text": ""}, {"tokens": []}]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(map(json.dumps, records)) + "\n\n", encoding="utf8")
    assert raws(path) == ["two\nlines", ["a b", "c"], "", [], ""]
    path.write_text('{"text": "a"}\n{"body": "b"}\n', encoding="utf8")
    with pytest.raises(CorpusError, match=r"x\.jsonl, line 2: expected an object"):
        raws(path)
    conllu = tmp_path / "x.conllu"
    rows = ["1-2\tzum\t", "1\tzu\tzu", "2\tdem\t", "", "1\tBach\tB", ""]
    conllu.write_text("\n".join(r + "\t_" * (9 - r.count("\t")) if r else r for r in rows) + "\n")
    assert raws(conllu) == [["zu", "dem"], ["Bach"]]


def test_docs(tmp_path: Path) -> None:
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=["a", "b", "c"], sent_starts=[True, False, True]), Doc(vocab)]
    DocBin(docs=docs).to_disk(tmp_path / "x.spacy")
    tokenizer = Tokenizer("en")
    entries = tokenizer(raws(tmp_path / "x.spacy"))
    assert [entry.sentences for entry in entries] == [[["a", "b"], ["c"]], []]
    (tmp_path / "y.spacy").write_bytes(b"\x78\x9cnothing")
    with pytest.raises(EmbeddingError, match=r"no readable .spacy file"):
        raws(tmp_path / "y.spacy")
    with pytest.raises(EmbeddingError, match="leave out `tokenized`"):
        list(TextFiles([tmp_path / "x.spacy"]).entries(Splitter()))


@pytest.mark.parametrize("text", LINES)
def test_tokens_are_those_of_the_text(text: str) -> None:
    entry = Tokenizer("en")([text])[0]
    doc = spacy.blank("en")(text)
    assert entry.tokens == [token.text for token in doc]
    assert entry.starts == [token.idx for token in doc]
    words = [token.text for token in doc if not token.is_space]
    assert entry.sentences == ([words] if words else [])
    split = Splitter()([text])[0]
    assert split.tokens == text.split()
    assert entry_of_words(text.split()).tokens == text.split()


def test_runs_without_spaces_do_not_take_for_ever() -> None:
    """Seconds in the square of their length, by spaCy's tokenizer alone."""
    text = "a " + ")" * 20 * LONGEST_RUN + " b"
    entry = Tokenizer("en")([text])[0]
    assert entry.text == text
    assert "".join(entry.tokens) == text.replace(" ", "")
    assert entry.n_tokens == 20 * LONGEST_RUN + 2


def test_words_and_docs_from_python(lm: BiLM, tmp_path: Path) -> None:
    words = ["a b", "c"]
    doc = Doc(spacy.blank("en").vocab, words=["one", "two"], sent_starts=[True, True])
    embed(lm, iter([words, doc]), tmp_path / "x.npy", layers="all")
    found = read(tmp_path / "x.npy")
    expected = [lm.encode([words])[0], np.concatenate(lm.encode([["one"], ["two"]]), axis=1)]
    for array, each in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, each.swapaxes(0, 1), atol=1e-5)
