"""Reading a prepared corpus: its contents, and every way in which a folder can be no corpus."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.errors import CorpusError
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "text.txt").write_text("the cat sat on the mat\nthe dog\n", "utf8")
    prepare([folder / "text.txt"], folder / "corpus", tokenized=True, min_count=1, max_vocab=5)
    return folder / "corpus"


def test_contents(prepared: Path) -> None:
    corpus = Corpus(prepared)
    assert corpus.vocabulary == ["<S>", "</S>", "<UNK>", "the", "cat"]
    assert corpus.types == [*corpus.vocabulary, "dog", "mat", "on", "sat"]
    assert len(corpus) == 2
    assert corpus.sentence(0).tolist() == [3, 4, 8, 7, 3, 6]
    assert corpus.sentence(1).tolist() == [3, 5]
    assert corpus.word_of_type.tolist() == [0, 1, 2, 3, 4, 2, 2, 2, 2]
    assert np.array_equal(corpus.characters, character_ids(corpus.types))
    assert corpus.meta["n_unknown"] == 4
    for array in (corpus.tokens, corpus.sentences, corpus.characters):
        assert isinstance(array, np.memmap)


def test_another_vocabulary(prepared: Path) -> None:
    vocabulary = ["<S>", "</S>", "<UNK>", "dog", "horse", "the"]
    corpus = Corpus(prepared, vocabulary)
    assert corpus.n_vocabulary == 6
    assert corpus.word_of_type[corpus.sentence(1)].tolist() == [5, 3]
    assert corpus.word_of_type.tolist() == [0, 1, 2, 5, 2, 3, 2, 2, 2]
    with pytest.raises(ValueError, match="first three words"):
        Corpus(prepared, ["dog", "horse"])


def test_words_that_no_vocabulary_file_holds(prepared: Path, tmp_path: Path) -> None:
    """Older corpora may have them: told at once; with another vocabulary they can be read."""
    folder = shutil.copytree(prepared, tmp_path / "old")
    for name in ("vocab.txt", "types.txt"):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"\ncat\n", b"\nc\rt\n"))
    without_checksum(folder)
    with pytest.raises(CorpusError, match=r"vocab.txt: the word 'c\\rt' \(line 5\) holds a line"):
        Corpus(folder)
    corpus = Corpus(folder, ["<S>", "</S>", "<UNK>", "dog"])
    assert corpus.types[4] == "c\rt"
    assert corpus.word_of_type.tolist() == [0, 1, 2, 2, 2, 3, 2, 2, 2]


def without_checksum(folder: Path) -> None:
    """As earlier versions wrote it."""
    meta = json.loads((folder / "corpus.json").read_text("utf8"))
    del meta["checksum"]
    (folder / "corpus.json").write_text(json.dumps(meta), "utf8")


def change(name: str, key: str, value: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        meta = json.loads((folder / name).read_text("utf8"))
        (folder / name).write_text(json.dumps(meta | {key: value}), "utf8")

    return damage


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-size]) and None


def swap(name: str, *lines: bytes) -> Callable[[Path], None]:
    """Exchange two lines of a file."""

    def damage(folder: Path) -> None:
        words = (folder / name).read_bytes().split(b"\n")
        one, other = map(words.index, lines)
        words[one], words[other] = words[other], words[one]
        (folder / name).write_bytes(b"\n".join(words))

    return damage


def put(name: str, place: int, value: int) -> Callable[[Path], None]:
    """Change one number of an array."""

    def damage(folder: Path) -> None:
        array = np.load(folder / name)
        array.reshape(-1)[place] = value
        np.save(folder / name, array)

    return damage


def header(name: str, text: bytes) -> Callable[[Path], None]:
    """Replace the header of an array."""
    size = len(text).to_bytes(2, "little")
    return lambda folder: (folder / name).write_bytes(b"\x93NUMPY\1\0" + size + text) and None


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("corpus.json"), "no prepared corpus: there is no corpus.json"),
        (cut("corpus.json", 5), "corpus.json: is not valid JSON"),
        (change("corpus.json", "format", "other"), "does not describe a prepared corpus"),
        (change("corpus.json", "version", 2), "is of version 2"),
        (change("corpus.json", "n_types", "many"), "n_types must be a positive number"),
        (change("corpus.json", "n_tokens", 9), r"tokens.npy holds uint32 \(8,\).*\(9,\)"),
        (change("corpus.json", "n_vocabulary", 99), "more words than there are types"),
        (change("corpus.json", "n_vocabulary", 6), "vocab.txt has 5 lines"),
        *(
            (without(name), f"incomplete: there is no {name}")
            for name in ("tokens.npy", "vocab.txt")
        ),
        *(
            (cut(f"{name}.npy", 1), f"{name}.npy is cut short")
            for name in ("tokens", "sentences", "characters")
        ),
        (cut("tokens.npy", 150), "tokens.npy is cut short"),
        (cut("types.txt", 3), "types.txt has 8 lines, but corpus.json says 9"),
        (
            lambda folder: np.save(folder / "sentences.npy", np.array([0, 8, 8])),
            "does not divide tokens.npy into sentences",
        ),
        (
            lambda folder: np.save(folder / "tokens.npy", np.zeros(8)),
            r"holds float64 \(8,\), but corpus.json asks for uint32 \(8,\)",
        ),
        (change("corpus.json", "n_types", True), "n_types must be a positive number, not True"),
        (change("corpus.json", "n_tokens", 10**30), r"asks for uint32 \(1000000000000000"),
        (swap("vocab.txt", b"the", b"cat"), "does not hold the first words of types.txt"),
        (swap("types.txt", b"the", b"cat"), "does not hold the first words of types.txt"),
        (swap("types.txt", b"dog", b"sat"), "do not match the checksum in corpus.json"),
        (put("characters.npy", 60, 99), "do not match the checksum in corpus.json"),
        (put("tokens.npy", 6, 9), "the id at 6 is 9, but all are below 9"),
        (put("tokens.npy", 7, 10**9), "the id at 7 is 1000000000, but all are below 9"),
        (header("tokens.npy", b"{'descr': (\n"), "tokens.npy is cut short or no array"),
        (header("tokens.npy", b"(" * 9000), "tokens.npy is cut short or no array"),
        (
            header(
                "tokens.npy", b"{'descr':'<u4','fortran_order':False,'shape':(" + b"9" * 99 + b",)}"
            ),
            "tokens.npy is cut short or no array",
        ),
        (
            lambda folder: (folder / "tokens.npy").open("ab").write(b"more") and None,
            "tokens.npy is longer than its array",
        ),
    ],
)
def test_damage_is_named(
    prepared: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = shutil.copytree(prepared, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(CorpusError, match=message):
        Corpus(folder)


def test_older_corpora_have_no_checksum(prepared: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(prepared, tmp_path / "older")
    assert "checksum" not in Corpus(folder).meta  # by which checkpoints tell a corpus
    without_checksum(folder)
    assert Corpus(folder).meta == Corpus(prepared).meta
    put("characters.npy", 60, 400)(folder)
    with pytest.raises(CorpusError, match="the id at 60 is 400, but all are below 262"):
        Corpus(folder)
    put("characters.npy", 60, 99)(folder)
    swap("vocab.txt", b"the", b"cat")(folder)
    with pytest.raises(CorpusError, match="does not hold the first words of types"):
        Corpus(folder)


def test_the_vocabulary_of_a_damaged_corpus_is_not_used(prepared: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(prepared, tmp_path / "damaged")
    (tmp_path / "text.txt").write_text("the cat\n")
    prepare([tmp_path / "text.txt"], tmp_path / "out", tokenized=True, vocabulary=folder)
    assert Corpus(tmp_path / "out").vocabulary == Corpus(prepared).vocabulary
    swap("vocab.txt", b"the", b"cat")(folder)
    with pytest.raises(CorpusError, match="does not hold the first words of types"):
        prepare([tmp_path / "text.txt"], tmp_path / "again", tokenized=True, vocabulary=folder)
    assert not (tmp_path / "again").exists()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        Corpus(tmp_path / "nowhere")


def test_without_spacy(tmp_path: Path) -> None:
    """Tokenised text can be prepared, and every corpus read, where spaCy is not installed."""
    (tmp_path / "text.txt").write_text("a b c\n", "utf8")
    script = f"""
import sys
sys.modules.update(spacy=None, thinc=None, typer=None)
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.batches.packed import PackedStream
from spacy_elmo.pretraining.corpus.prepare import prepare
prepare([{str(tmp_path / "text.txt")!r}], {str(tmp_path / "corpus")!r}, tokenized=True, min_count=1)
print(PackedStream(Corpus({str(tmp_path / "corpus")!r}), 1, 4).next().targets.tolist())
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[[[3, 4, 5, 1]], [[5, 4, 3, 0]]]"
