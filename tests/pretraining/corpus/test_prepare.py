"""What `prepare` makes of its input: words, sentences, vocabulary, counts."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_elmo.errors import CorpusError
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.pretraining.corpus.segmentation import Segmenter, Settings
from spacy_elmo.text import reading
from spacy_elmo.text.foreign import foreign
from spacy_elmo.text.reading import Block
from spacy_elmo.vocabulary import read_words, write_vocabulary

TEXT = """\
Dr. Smith didn't come (he was ill!). "Why?" she asked.

  The U.S. team won 3-2... Nobody cared!?  Really

Ein Satz ohne Punkt
"""


def sentences(corpus: Corpus) -> list[list[str]]:
    return [[corpus.types[t] for t in corpus.sentence(n)] for n in range(len(corpus))]


def run(folder: Path, content: bytes | str, name: str = "in.txt", **options: Any) -> Corpus:
    content = content.encode("utf8") if isinstance(content, str) else content
    (folder / name).write_bytes(content)
    prepare([folder / name], folder / "out", force=True, **({"min_count": 1} | options))
    return Corpus(folder / "out")


@cache
def sentencizer(language: str) -> Language:
    nlp = spacy.blank(language)
    nlp.add_pipe("sentencizer")
    return nlp


def by_spacy(text: str, language: str = "en") -> list[list[str]]:
    lines = filter(None, map(str.strip, text.split("\n")))
    docs = map(sentencizer(language), lines)
    found = [[t.text for t in sent if not t.is_space] for doc in docs for sent in doc.sents]
    return [words for words in found if words]


def test_raw_text(tmp_path: Path) -> None:
    corpus = run(tmp_path, TEXT)
    assert sentences(corpus) == by_spacy(TEXT)
    assert len(corpus) == 6
    assert corpus.meta["lines"] == 5
    assert corpus.meta["empty_lines"] == 2
    assert corpus.meta["n_unknown"] == 0


@settings(max_examples=200, deadline=None)
@given(
    st.text(
        st.sampled_from("aB1.!?,;\"'()- \t\n\u3000\u2028\x0b\x1c\x85。"), min_size=1, max_size=60
    )
)
@example("a. ) b. .. c")
@example("... a")
@example(". \n. a .")
def test_sentences_are_those_of_the_sentencizer(text: str) -> None:
    parts, _ = segmenter()(Block("text", "test", 1, text.encode("utf8")))
    words = [part.words[number] for part in parts for number in part.ids]
    ends = np.cumsum([length for part in parts for length in part.lengths]).astype(int)
    found = [
        words[end - length : end]
        for end, length in zip(ends, np.diff(ends, prepend=0), strict=True)
    ]
    assert found == by_spacy(text)


@cache
def segmenter() -> Segmenter:
    return Segmenter(Settings())


def test_language(tmp_path: Path) -> None:
    text = "Er kam z.B. d'accord 3. Mai an."
    corpus = run(tmp_path, text, language="fr")
    assert sentences(corpus) == by_spacy(text, "fr") != by_spacy(text, "en")
    assert corpus.meta["language"] == "fr"
    with pytest.raises(ValueError, match="language 'xyz'"):
        run(tmp_path, text, language="xyz")


def test_pipeline(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": [";"]})
    nlp.to_disk(tmp_path / "pipeline")
    corpus = run(tmp_path, "one. two; three", pipeline=str(tmp_path / "pipeline"))
    assert sentences(corpus) == [["one", ".", "two", ";"], ["three"]]

    spacy.blank("en").to_disk(tmp_path / "pipeline")  # finds no sentences
    corpus = run(tmp_path, "one. two; three", pipeline=str(tmp_path / "pipeline"))
    assert sentences(corpus) == [["one", "."], ["two", ";", "three"]]
    with pytest.raises(OSError, match="nowhere"):
        run(tmp_path, "one", pipeline="nowhere")


# How gzip, bzip2, xz, zip and zstd begin.
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK", b"(\xb5/\xfd")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.binary(max_size=12)
        | st.text(max_size=12).map(lambda text: text.encode("utf8", "surrogatepass"))
        | st.sampled_from([b"<S> a </S>", b"<UNK> b", b"\xe2\x80\xa8", b"\xff\xfe"]),
        max_size=8,
    ).map(b"\n".join),
    st.integers(4, 12),
)
@example(b"a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\rg\x00h", 50)
@example(b"\xef\xbb\xbfa\n\xef\xbb\xbfb", 50)
@example(b"\x80\x04\x95", 50)
@example(b"\xef\xbb\xbfGIF8", 50)
def test_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, max_characters: int
) -> None:
    """Whatever the bytes: every word is there, in order, and every loss is counted."""
    # These say that it is text of another encoding, see `test_opening.py`.
    assume(not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)))
    assume(not content.startswith(COMPRESSED))  # and these, that it is compressed
    other = foreign(content.removeprefix(codecs.BOM_UTF8))
    if other is not None:
        with pytest.raises(CorpusError, match=f"is {re.escape(other[0])}"):
            run(tmp_path_factory.mktemp("bytes"), content, tokenized=True)
        return
    text = content.decode("utf8", "replace")
    text = "\n".join(line.lstrip("\ufeff") for line in text.split("\n"))
    words = [line.split() for line in text.split("\n")]
    kept = [[word for word in line if word not in ("<S>", "</S>")] for line in words]
    expected = list(filter(None, kept))
    options = {"tokenized": True, "max_characters": max_characters, "max_vocab": 6}
    folder = tmp_path_factory.mktemp("bytes")
    if not expected:
        with pytest.raises(ValueError, match="not a single word"):
            run(folder, content, **options)
        return
    corpus = run(folder, content, **options)
    assert sentences(corpus) == expected
    assert corpus.max_characters == max_characters
    lines = text.removesuffix("\n").split("\n")
    assert corpus.meta["lines"] == len(lines)
    assert corpus.meta["empty_lines"] == sum(not line.strip() for line in lines)
    assert corpus.meta["boundary_symbols"] == sum(map(len, words)) - sum(map(len, kept))
    assert (corpus.meta["undecodable_bytes"] > 0) == ("\ufffd" in text and not decodes(content))
    known = set(corpus.vocabulary) - {"<UNK>"}
    assert corpus.meta["n_unknown"] == sum(word not in known for line in kept for word in line)


def decodes(content: bytes) -> bool:
    try:
        content.decode("utf8")
    except UnicodeDecodeError:
        return False
    return True


def test_undecodable_bytes_are_counted(tmp_path: Path) -> None:
    corpus = run(tmp_path, b"caf\xe9 \xff\xfe\xfd na\xc3\xafve\nok\n", tokenized=True)
    assert corpus.meta["undecodable_bytes"] == 4
    assert sentences(corpus) == [["caf\ufffd", "\ufffd\ufffd\ufffd", "naïve"], ["ok"]]


def test_vocabulary_is_sorted(tmp_path: Path) -> None:
    words = "b b b a a a é é é c c d D e <UNK>"
    corpus = run(tmp_path, words, tokenized=True, min_count=2, max_vocab=6)
    assert corpus.vocabulary == ["<S>", "</S>", "<UNK>", "a", "b", "é"]
    assert corpus.types[6:] == ["c", "D", "d", "e"]
    assert corpus.meta["n_unknown"] == 6
    corpus = run(tmp_path, words, tokenized=True, min_count=2)
    assert corpus.vocabulary[3:] == ["a", "b", "é", "c"]
    counts = Counter(words.split())
    assert np.bincount(corpus.tokens)[3:].tolist() == [counts[word] for word in corpus.types[3:]]


def test_given_vocabulary(tmp_path: Path) -> None:
    vocabulary = ["<S>", "</S>", "<UNK>", "zebra", "a", "\u2028x"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), "utf8", newline="\r\n")
    for source in (tmp_path / "vocab.txt", tmp_path):
        corpus = run(tmp_path, "b a c c", tokenized=True, vocabulary=source, max_vocab=3)
        assert corpus.vocabulary == vocabulary
        assert corpus.types[6:] == ["c", "b"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a\nb\nc\nd", "first three words must be"),
        ("<S>\n</S>\n<UNK>\na\n\nb", "line 5 is empty"),
        ("<S>\n</S>\n<UNK>\na\nb\na", "'a' stands on line 4 and again on line 6"),
        (b"<S>\n</S>\n<UNK>\n\xff", "line 4 is not UTF-8"),
    ],
)
def test_unusable_vocabulary(tmp_path: Path, lines: str | bytes, message: str) -> None:
    lines = lines.encode("utf8") if isinstance(lines, str) else lines
    (tmp_path / "vocab.txt").write_bytes(lines)
    with pytest.raises(ValueError, match=message):
        run(tmp_path, "a", vocabulary=tmp_path / "vocab.txt")
    assert not (tmp_path / "out").exists()


def test_jsonl(tmp_path: Path) -> None:
    records = [
        {"text": "One. Two!\n\nThree", "meta": 1},
        {"tokens": ["New\nYork", "a b", " ", "x"]},
        {"tokens": []},
        {"text": " "},
        {"text": "Four \ud800"},
        {"tokens": ["five", "."]},
    ]
    content = "\n".join(map(json.dumps, records)) + "\n\n"
    corpus = run(tmp_path, content, "in.jsonl")
    assert sentences(corpus) == [
        ["One", "."],
        ["Two", "!"],
        ["Three"],
        ["New York", "a b", "x"],
        ["Four", "\ufffd"],
        ["five", "."],
    ]
    assert corpus.meta["empty_lines"] == 3
    assert corpus.meta["undecodable_bytes"] == 1
    assert read_words(tmp_path / "out/types.txt") == corpus.types


def test_line_breaks_within_tokens_become_spaces(tmp_path: Path) -> None:
    """A vocabulary has one word per line; what was prepared can be saved with the model."""
    words = ["New\nYork", "New York", "New\rYork", "\r", "a\r\nb", "\rx", "\u2028y"]
    corpus = run(tmp_path, json.dumps({"tokens": words}), "in.jsonl")
    assert sentences(corpus) == [["New York", "New York", "New York", "a  b", " x", "\u2028y"]]
    assert corpus.meta["line_breaks"] == 4
    assert corpus.types[3:] == ["New York", " x", "a  b", "\u2028y"]
    write_vocabulary(tmp_path / "again.txt", corpus.vocabulary)
    assert read_words(tmp_path / "again.txt") == corpus.vocabulary


@pytest.mark.parametrize("line", ['{"text": 1}', '{"tokens": ["a", 2]}', "[]", "{", '{"x": "a"}'])
def test_damaged_jsonl(tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 40)
    good = '{"tokens": ["a"]}\n'
    with pytest.raises(ValueError, match=r"in.jsonl, line 8: (no JSON|expected an object)"):
        run(tmp_path, good * 7 + line + "\n" + good, "in.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_spacy_files(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    own = Doc(nlp.vocab, words=["a", ".", "b", "\n", "c"], sent_starts=[1, 0, 0, 0, 1])
    ruled = Doc(nlp.vocab, words=["d", ".", "e"])
    DocBin(docs=[own, Doc(nlp.vocab), ruled]).to_disk(tmp_path / "docs.spacy")
    (tmp_path / "after.txt").write_text("f")
    prepare([tmp_path / "docs.spacy", tmp_path / "after.txt"], tmp_path / "out", min_count=1)
    corpus = Corpus(tmp_path / "out")
    assert sentences(corpus) == [["a", ".", "b"], ["c"], ["d", "."], ["e"], ["f"]]
    assert corpus.meta["documents"] == 3
    with pytest.raises(ValueError, match=r"bad.spacy is no readable .spacy file"):
        run(tmp_path, b"no docs", "bad.spacy")


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    random = np.random.default_rng(0)
    text = " ".join(map(str, random.integers(0, 1000, 5000))).encode()
    plain = sentences(run(tmp_path, text))
    assert sentences(run(tmp_path, compress(text), f"in.txt{suffix}")) == plain
    record = json.dumps({"tokens": ["a", "b"]}).encode()
    assert sentences(run(tmp_path, compress(record), f"in.jsonl{suffix}")) == [["a", "b"]]
    damaged = bytearray(compress(text))
    damaged[len(damaged) // 2 :] = b"\xff" * 100
    for content in (compress(text)[:-20], bytes(damaged)):
        with pytest.raises(ValueError, match=rf"in.txt{suffix} is truncated or damaged"):
            run(tmp_path, content, f"in.txt{suffix}")


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfOne. Two\n")))
    read: list[int] = []
    prepare(["-"], tmp_path / "out", min_count=1, advance=read.append)
    assert sentences(Corpus(tmp_path / "out")) == [["One", "."], ["Two"]]
    assert sum(read) == 12


def test_progress_counts_bytes_as_stored(tmp_path: Path) -> None:
    paths = [tmp_path / "a.txt.xz", tmp_path / "b.txt", tmp_path / "c.spacy"]
    paths[0].write_bytes(lzma.compress(b"a b c\n" * 1000))
    paths[1].write_bytes(b"d e f")
    DocBin(docs=[spacy.blank("en")("g h")]).to_disk(paths[2])
    read: list[int] = []
    prepare(paths, tmp_path / "out", advance=read.append)
    kinds = reading.check_inputs(paths, tokenized=False)
    assert sum(read) == reading.total_bytes(kinds) == sum(path.stat().st_size for path in paths)


def test_long_lines_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 100)
    words = [f"w{number}" for number in range(200)]
    corpus = run(tmp_path, " ".join(words) + "\nend\n", tokenized=True)
    assert [word for words in sentences(corpus) for word in words] == [*words, "end"]
    assert corpus.meta["cut_lines"] == len(corpus) - 2 > 3
    assert corpus.meta["lines"] == 2
    # Without a space: at the end of a character.
    corpus = run(tmp_path, "é日🙂" * 100, tokenized=True)
    assert "".join(word for words in sentences(corpus) for word in words) == "é日🙂" * 100
    assert corpus.meta["undecodable_bytes"] == 0


@pytest.mark.parametrize("char", ["(", "a", "🙂", "."])
def test_runs_without_a_space_are_cut(tmp_path: Path, char: str) -> None:
    """Uncut, 20,000 brackets would take spaCy's tokenizer the better part of a minute."""
    corpus = run(tmp_path, f"see http://x.org/{'y' * 800} {char * 20_000} end")
    found = [word for words in sentences(corpus) for word in words]
    assert "".join(found) == f"seehttp://x.org/{'y' * 800}{char * 20_000}end"
    assert corpus.meta["cut_runs"] == 1
    assert f"http://x.org/{'y' * 800}" in found


def test_sentences_of_one_paragraph_do_not_run_into_the_next(tmp_path: Path) -> None:
    assert sentences(run(tmp_path, "no stop\nno stop either")) == [
        ["no", "stop"],
        ["no", "stop", "either"],
    ]
