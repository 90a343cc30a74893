"""Mistakes are errors before work is done, and leave what was there."""

from __future__ import annotations

import builtins
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy

from spacy_elmo import BiLM, EmbeddingError, WeightsError, embed
from spacy_elmo.embedding.entries import TextFiles
from spacy_elmo.embedding.writers.growing import GrowingArray
from tests.embedding.conftest import TEXTS

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"output": "x.txt"}, r"ends in '.txt': expected one of .hdf5"),
    ({"layers": "3"}, r"layers is '3': expected one of all, top.* to 2"),
    ({"layers": "0,0"}, "named twice"),
    ({"layers": "first"}, "layers is 'first'"),
    ({"dtype": "int8"}, "dtype is 'int8'"),
    ({"pool": "max"}, "pool is 'max'"),
    ({"precision": "half"}, "precision is 'half'"),
    ({"compression": "gzip"}, r"compression is for .hdf5, .h5, .parquet, .npz, not for .*x.npy"),
    ({"use_sentence_keys": True}, r"use_sentence_keys is for .hdf5"),
    ({"output": "x.hdf5", "compression": "zip"}, "for .hdf5 expected none, gzip, lzf"),
    ({"output": "x.npz", "compression": "zip"}, "for .npz expected none, deflate"),
    ({"output": "x.spacy", "dtype": "float16"}, "float16 is not written to .spacy"),
    ({"output": "x.spacy", "pool": "mean"}, "a Doc pools its vectors itself"),
    ({"lang": "nowhere"}, "language 'nowhere'"),
    ({"model": 3}, "the model is 3: expected a name or path, a BiLM, or a spaCy pipeline"),
    ({"model": "nothing"}, "no weights at 'nothing'"),
    ({"texts": ["a", 3]}, "entry 1 is 3: expected a text"),
    ({"texts": [["a", 3]]}, r"entry 0 is \['a', 3\]"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_mistakes(changes: dict[str, Any], message: str, lm: BiLM, tmp_path: Path) -> None:
    arguments = {"model": lm, "texts": TEXTS, "output": "x.npy", **changes}
    model, texts, output = (arguments.pop(name) for name in ("model", "texts", "output"))
    with pytest.raises(ValueError, match=message):
        embed(model, texts, tmp_path / output, **arguments)
    assert not list(tmp_path.iterdir())


def test_carried_states(lm: BiLM, weights: Path, tmp_path: Path) -> None:
    carrying = BiLM.from_pretrained(weights, initial_state="carry")
    with pytest.raises(EmbeddingError, match='start in the state "carry"'):
        embed(carrying, TEXTS, tmp_path / "x.npy")


@pytest.mark.parametrize("name", ["x.npy", "x.hdf5", "x.spacy"])
def test_an_output_that_exists(name: str, lm: BiLM, tmp_path: Path) -> None:
    embed(lm, ["old"], tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="exists already: give another name, or force"):
        embed(lm, TEXTS, tmp_path / name)
    with pytest.raises(ValueError, match="entry 1 is 3"):
        embed(lm, (each for each in ("a", 3)), tmp_path / name, force=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_old_shards_go(lm: BiLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("spacy_elmo.embedding.docs.writer.SHARD_BYTES", 1)
        embed(lm, ["a", "b", "c"], tmp_path / "x.spacy")
    (tmp_path / "x-y.spacy").touch()
    names = [f"x-0000{k}.spacy" for k in range(3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names, "x-y.spacy"]
    embed(lm, ["a", "b", "c"], tmp_path / "x.spacy", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [names[0], "x-y.spacy"]


def test_a_folder_of_that_name(lm: BiLM, tmp_path: Path) -> None:
    (tmp_path / "x.npy").mkdir()
    with pytest.raises(FileExistsError, match="is a folder"):
        embed(lm, TEXTS, tmp_path / "x.npy", force=True)
    (tmp_path / "y.npy.partial").mkdir()
    (tmp_path / "y.npy.partial" / "mine").touch()
    with pytest.raises(FileExistsError, match="is not what a killed run leaves"):
        embed(lm, TEXTS, tmp_path / "y.npy", force=True)


def test_too_little_room(lm: BiLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a few words\n" * 5000, encoding="utf8")
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 4_000_000))
    # 15,000 tokens of 3 layers, 16 wide: 2.9 MB, and once more where it is put together.
    with pytest.raises(EmbeddingError, match=r"will take about 10.\d MB .* room for 4.0 MB"):
        embed(lm, TextFiles([text]), tmp_path / "x.hdf5")
    with pytest.raises(EmbeddingError, match=r"will take about 5.\d MB"):
        embed(lm, ["a few words"] * 25_000, tmp_path / "x.npy", layers="average")
    told: list[Any] = []
    embed(lm, TextFiles([text]), tmp_path / "x.npy", layers="all", progress=told.append)
    files = sum(path.stat().st_size for path in tmp_path.glob("x*"))
    assert abs(told[0].n_bytes - files) < 0.1 * files
    assert told[0].expected == 5000


def test_a_disk_that_fills(lm: BiLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_elmo.embedding.embed.CHUNK_ENTRIES", 2)
    monkeypatch.setattr("spacy_elmo.embedding.embed.PART_CHUNKS", 1)
    append = GrowingArray.append

    def full(self: GrowingArray, rows: np.ndarray) -> None:
        if self.row_shape and self.n_rows > 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, rows)

    with monkeypatch.context() as patched:
        patched.setattr(GrowingArray, "append", full)
        with pytest.raises(EmbeddingError, match=r"No space left on device.* make room and run"):
            embed(lm, TEXTS, tmp_path / "x.npy")
    assert embed(lm, TEXTS, tmp_path / "x.npy").resumed == 2


def test_an_input_that_fails_is_no_full_disk(lm: BiLM, tmp_path: Path) -> None:
    def broken() -> Iterator[str]:
        yield "a"
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error") as caught:
        embed(lm, broken(), tmp_path / "x.npy")
    assert caught.value.errno == errno.EIO
    assert not isinstance(caught.value, EmbeddingError)


def test_docs_are_not_split_at_white_space(lm: BiLM, tmp_path: Path) -> None:
    doc = spacy.blank("en")("a b")
    with pytest.raises(EmbeddingError, match="Docs have tokens already: leave out `tokenized`"):
        embed(lm, [doc], tmp_path / "x.npy", tokenized=True)
    assert not list(tmp_path.iterdir())


def test_half_a_character_names_no_dataset(lm: BiLM, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"entry 1, .* holds half a character"):
        embed(lm, ["a", "b \ud800"], tmp_path / "x.hdf5", use_sentence_keys=True, tokenized=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("texts", [["a", "a"], ["a", "a/b"], ["a/b", "a"], [""], ["a//b"], ["."]])
def test_texts_that_name_no_dataset(texts: list[str], lm: BiLM, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="leave out the sentence keys"):
        embed(lm, texts, tmp_path / "x.hdf5", use_sentence_keys=True)


def test_too_large_for_half(lm: BiLM, weights: Path, tmp_path: Path) -> None:
    large = BiLM.from_pretrained(weights)
    large.token_encoder.projection.bias.data.fill_(1e5)
    large.weights_changed()
    with pytest.raises(EmbeddingError, match="entry 0 holds values too large for float16"):
        embed(large, TEXTS, tmp_path / "x.npy", dtype="float16", layers="token")


@pytest.mark.parametrize(("package", "name"), [("pyarrow", "x.parquet"), ("h5py", "x.hdf5")])
def test_missing_packages(
    package: str, name: str, lm: BiLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = builtins.__import__

    def without(module: str, *arguments: Any, **options: Any) -> Any:
        if module.partition(".")[0] == package:
            raise ImportError(f"No module named {module!r}")
        return whole(module, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    expected = (EmbeddingError, WeightsError)
    with pytest.raises(expected, match=f"needs the package {package}"):
        embed(lm, TEXTS, tmp_path / name)
