"""What is written, read back by the libraries that users read it with."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import spacy

from spacy_elmo import BiLM, __version__, embed
from spacy_elmo.formats.generation import tensors_digest
from tests.embedding.conftest import TEXTS
from tests.embedding.outputs import SUFFIXES, read, read_docs
from tests.tiny import N_LAYERS, WIDTH

CHOICES = {
    "all": lambda layers: layers,
    "top": lambda layers: layers[-1],
    "token": lambda layers: layers[0],
    "average": lambda layers: layers.mean(axis=0),
    "0,2": lambda layers: layers[[0, 2]],
    "1": lambda layers: layers[1],
}
NLP = spacy.blank("en")


def reference(lm: BiLM, text: str) -> np.ndarray:
    """All layers of the tokens of a text, by the plain way through the network."""
    doc = NLP(text)
    whole = np.zeros((N_LAYERS, len(doc), WIDTH), dtype=np.float32)
    rows = [token.i for token in doc if not token.is_space]
    if rows:
        whole[:, rows] = lm.forward([[doc[k].text for k in rows]]).detach().numpy()
    return whole


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max(initial=0)))


@pytest.mark.parametrize(
    ("suffix", "layers"),
    [(suffix, layers) for suffix in SUFFIXES for layers in ("all", "average")]
    + [("npy", layers) for layers in CHOICES if layers not in ("all", "average")],
    indirect=["suffix"],
)
def test_rows(suffix: str, layers: str, lm: BiLM, tmp_path: Path) -> None:
    out = tmp_path / f"out.{suffix}"
    done = embed(lm, TEXTS, out, layers=layers)
    assert (done.n_entries, done.is_finished) == (len(TEXTS), True)
    found = read(out)
    assert len(found) == len(TEXTS)
    for text, array in zip(TEXTS, found, strict=True):
        expected = CHOICES[layers](reference(lm, text))
        assert array.dtype == np.float32
        assert_close(array, expected.swapaxes(0, 1) if expected.ndim == 3 else expected)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("suffix", ["npy", "npz", "hdf5", "parquet"], indirect=True)
@pytest.mark.parametrize("layers", ["all", "average"])
def test_pooled_and_half(suffix: str, layers: str, lm: BiLM, tmp_path: Path) -> None:
    """One vector per entry, spaces left out; zeros for an entry without words."""
    out = tmp_path / f"out.{suffix}"
    embed(lm, TEXTS, out, layers=layers, pool="mean", dtype="float16")
    if suffix == "npy":
        assert np.load(out).dtype == np.float16
        found = [array[0] for array in read(out)]
    elif suffix == "parquet":
        pandas = pytest.importorskip("pandas", reason="reads Parquet as users do")

        frame = pandas.read_parquet(out)
        assert frame["entry"].tolist() == list(range(len(TEXTS)))
        assert frame["text"].tolist() == TEXTS
        found = [array[0] for array in read(out)]
    else:
        with np.load(out) if suffix == "npz" else h5py.File(out) as file:
            found = [np.array(file[str(k)]) for k in range(len(TEXTS))]
            assert found[0].dtype == np.float16
    for text, array in zip(TEXTS, found, strict=True):
        values = CHOICES[layers](reference(lm, text))
        words = [k for k, token in enumerate(NLP(text)) if not token.is_space]
        expected = values[..., words, :].mean(axis=-2) if words else np.zeros(values.shape[:-2])
        if not words:
            expected = np.zeros((*values.shape[:-2], WIDTH))
        np.testing.assert_allclose(array, expected, atol=5e-3)


def test_hdf5_is_as_allennlp_wrote_it(lm: BiLM, tmp_path: Path) -> None:
    embed(lm, TEXTS, tmp_path / "x.hdf5", tokenized=True)
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert set(file) == {*map(str, range(len(TEXTS))), "sentence_to_index"}
        assert file["0"].shape == (N_LAYERS, 6, WIDTH)
        assert file["1"].shape == (N_LAYERS, 0, WIDTH)
        assert file["0"].dtype == np.float32
        index = file["sentence_to_index"]
        assert index.shape == (1,)
        assert h5py.check_string_dtype(index.dtype).length is None
        # Of the same lines the last one wins, as in AllenNLP.
        expected = {text.strip(): str(k) for k, text in enumerate(TEXTS)}
        assert json.loads(index[0]) == expected
    embed(lm, TEXTS, tmp_path / "y.hdf5", tokenized=True, forget_sentences=True, compression="gzip")
    with h5py.File(tmp_path / "y.hdf5") as file:
        assert "sentence_to_index" not in file
        assert file["0"].compression == "gzip"
    embed(lm, ["a b", "c / d"], tmp_path / "z.h5", use_sentence_keys=True, layers="top")
    with h5py.File(tmp_path / "z.h5") as file:
        assert file["a b"].shape == (2, WIDTH)
        assert file["c "][" d"].shape == (3, WIDTH)  # a group, as in AllenNLP
        assert "sentence_to_index" not in file


def test_parquet(lm: BiLM, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas", reason="reads Parquet as users do")
    import pyarrow.parquet as pq

    out = tmp_path / "x.parquet"
    embed(lm, TEXTS, out, layers="0,2", compression="zstd")
    schema = pq.read_schema(out)
    vector = pa.list_(pa.float32(), WIDTH)
    assert {field.name: field.type for field in schema} == {
        "entry": pa.int64(),
        "token": pa.int32(),
        "text": pa.string(),
        "start": pa.int32(),
        "end": pa.int32(),
        "layer_0": vector,
        "layer_2": vector,
    }
    assert schema.metadata[b"spacy_elmo.model"] == b"BiLM"
    assert schema.metadata[b"spacy_elmo.layers"] == b"0,2"
    assert schema.metadata[b"spacy_elmo.version"] == __version__.encode()
    digest = tensors_digest(dict(lm.state_dict()))
    assert schema.metadata[b"spacy_elmo.sha256"] == digest.encode()
    frame = pandas.read_parquet(out)
    expected = [
        (k, token.i, token.text, token.idx, token.idx + len(token))
        for k, text in enumerate(TEXTS)
        for token in NLP(text)
    ]
    columns = ["entry", "token", "text", "start", "end"]
    assert list(frame[columns].itertuples(index=False, name=None)) == expected


def test_npy_says_what_it_is(lm: BiLM, tmp_path: Path) -> None:
    embed(lm, TEXTS, tmp_path / "x.npy", layers="all")
    rows = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert isinstance(rows, np.memmap)
    described = json.loads((tmp_path / "x.json").read_text())
    assert described["n_entries"] == len(TEXTS)
    assert described["n_rows"] == len(rows)
    assert described["layers"] == ["0", "1", "2"]
    assert described["width"] == WIDTH
    embed(lm, [], tmp_path / "empty.npy")
    assert np.load(tmp_path / "empty.npy").shape == (0, N_LAYERS, WIDTH)


def test_docs_keep_what_they_have(lm: BiLM, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    doc = nlp(TEXTS[6])
    doc[0].tag_ = "PRP"
    embed(lm, [doc, "more"], tmp_path / "x.spacy", layers="average")
    first, second = read_docs(tmp_path / "x.spacy")
    assert first[0].tag_ == "PRP"
    assert second.text == "more"
    for sentence in first.sents:  # read sentence by sentence
        expected = lm.encode([[token.text for token in sentence]])[0].mean(axis=0)
        assert_close(np.stack([token._.elmo for token in sentence]), expected)
    assert first._.elmo_similarity(first) == pytest.approx(1)
    assert doc._.elmo is None  # the one that was given stays as it was


def test_ones_own_writer(tmp_path: Path) -> None:
    """Writers work without a model, for vectors of one's own."""
    from spacy_elmo.embedding.entries import entry_of_words
    from spacy_elmo.embedding.spec import Spec
    from spacy_elmo.embedding.writers.opening import open_writer

    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    with open_writer(tmp_path / "x.hdf5", Spec(width=2)) as writer:
        writer.write(entry_of_words(["a", "b", "c"]), rows)
    assert np.array_equal(read(tmp_path / "x.hdf5")[0], rows)
