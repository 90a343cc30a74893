"""Checkpoints of all shapes, given in all ways, with options and vocabulary beside them."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from typer.testing import CliRunner

from spacy_elmo import BiLM
from spacy_elmo.cli.app import app
from spacy_elmo.formats import load, save
from spacy_elmo.formats.tensorflow import crc32c
from tests.formats.models import assert_same
from tests.formats.tensorflow.checkpoint import (
    WORDS,
    network_weights,
    small_options,
    softmax_weights,
    training_names,
    with_slots,
    write_checkpoint,
    write_model,
)
from tests.reference.elmo import ReferenceElmo

SENTENCES = [["the", "bank", "raised"], [], ["Zürich", "日本", "."]]
LAYERS = 5e-6

pytestmark = pytest.mark.usefixtures("one_thread")


def assert_is(lm: BiLM, elmo: ReferenceElmo) -> None:
    for words, found in zip(SENTENCES, lm.encode(SENTENCES), strict=True):
        assert np.abs(found - elmo.layers(words)).max(initial=0.0) <= LAYERS


@pytest.mark.parametrize(
    ("n_layers", "bidirectional", "words", "n_shards"),
    [
        (*shape, 1 + (k % 3))
        for k, shape in enumerate(itertools.product((1, 2, 3), (True, False), (True, False)))
    ],
)
def test_all_shapes(
    tmp_path: Path, n_layers: int, bidirectional: bool, words: bool, n_shards: int
) -> None:
    options = small_options(n_layers=n_layers, bidirectional=bidirectional, words=words)
    weights, softmax = network_weights(options), softmax_weights(4)
    layout = {"n_shards": n_shards, "block_size": 150, "restart_interval": 4}
    write_model(tmp_path / "m", options, weights, softmax, **layout)
    lm = load(tmp_path / "m")
    assert_is(lm, ReferenceElmo(weights, options, WORDS if words else None))
    assert lm.softmax is not None
    assert np.array_equal(lm.softmax.weight.detach().numpy(), softmax["softmax/W"])
    assert np.array_equal(lm.softmax.bias.detach().numpy(), softmax["softmax/b"])
    assert lm.vocabulary == WORDS
    lm.save(tmp_path / "native")
    assert_same(load(tmp_path / "native"), lm)
    lm.save(tmp_path / "x.hdf5")
    assert_same(load(tmp_path / "x.hdf5"), lm)


@pytest.mark.parametrize("way", ["folder", "prefix", "index", "with ~"])
def test_all_ways_to_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    options = small_options()
    weights = network_weights(options)
    write_model(tmp_path / "m", options, weights, prefix="model.ckpt-10")
    newest = network_weights(options, seed=1)
    write_model(tmp_path / "m", options, newest, prefix="model.ckpt-20")
    monkeypatch.setenv("HOME", str(tmp_path))
    path = {
        "folder": tmp_path / "m",
        "prefix": tmp_path / "m/model.ckpt-10",
        "index": tmp_path / "m/model.ckpt-10.index",
        "with ~": Path("~/m/model.ckpt-10"),
    }[way]
    assert_is(load(path), ReferenceElmo(newest if way == "folder" else weights, options))


def test_one_checkpoint_without_a_state_file(tmp_path: Path) -> None:
    options = small_options()
    weights = network_weights(options)
    write_model(tmp_path / "m", options, weights, prefix="model.ckpt")
    (tmp_path / "m/checkpoint").unlink()
    assert_is(load(tmp_path / "m"), ReferenceElmo(weights, options))


@pytest.mark.parametrize(
    "spelling",
    [
        *("C:\\\\models\\\\model.ckpt-240", "../x/mod\\145l.ckpt-240"),
        "C:\\8layers\\\\model.ckpt-240",  # written by hand, a slash that is not doubled
    ],
)
def test_places_of_another_machine(tmp_path: Path, spelling: str) -> None:
    options = small_options()
    weights = network_weights(options)
    write_model(tmp_path / "m", options, weights)
    (tmp_path / "m/checkpoint").write_text(f'model_checkpoint_path: "{spelling}"\n')
    assert_is(load(tmp_path / "m"), ReferenceElmo(weights, options))


def test_options_and_vocabulary_by_hand(tmp_path: Path) -> None:
    options = small_options(words=True)
    weights = network_weights(options)
    write_model(tmp_path / "m", options, weights)
    by_hand = {
        kind: (tmp_path / "m" / name).rename(tmp_path / name)
        for kind, name in (("options", "options.json"), ("vocab", "vocab.txt"))
    }
    assert_is(load(tmp_path / "m", **by_hand), ReferenceElmo(weights, options, WORDS))


def test_a_softmax_without_its_words(tmp_path: Path) -> None:
    options = small_options()
    write_model(tmp_path / "m", options, network_weights(options), softmax_weights(4))
    (tmp_path / "m/vocab.txt").unlink()
    lm = load(tmp_path / "m")
    assert lm.vocabulary is None
    assert lm.softmax is not None
    assert len(lm.softmax.weight) == len(WORDS)


@pytest.mark.parametrize("optimizer", ["Adagrad", "Adam", "Adam_1", "Momentum"])
def test_what_an_optimizer_keeps_is_left_out(tmp_path: Path, optimizer: str) -> None:
    options = small_options()
    weights = network_weights(options)
    write_model(tmp_path / "m", options, weights)
    variables = with_slots(training_names(weights, options), optimizer)
    variables["beta1_power"] = np.float32(0.9).reshape(())
    write_checkpoint(tmp_path / "m/model.ckpt-240", variables)
    assert_is(load(tmp_path / "m"), ReferenceElmo(weights, options))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_number_types(tmp_path: Path, dtype: str) -> None:
    options = small_options()
    weights = {name: array.astype(dtype) for name, array in network_weights(options).items()}
    write_model(tmp_path / "m", options, weights)
    assert_is(load(tmp_path / "m"), ReferenceElmo(weights, options))


# Names of a cell and within it, by the version of TensorFlow and the graph.
OLD = ("weights", "biases", "projection/weights")
OLDEST = ("W_0", "B", "W_P_0")
NEW = ("kernel", "bias", "projection/kernel")
SPELLINGS = [
    ("lm/RNN_{d}/rnn/multi_rnn_cell/cell_{i}/lstm_cell", OLD),
    ("lm/RNN_{d}/RNN/MultiRNNCell/Cell{i}/LSTMCell", OLDEST),
    ("bilm/RNN_{d}/RNN/MultiRNNCell/Cell{i}/rnn/lstm_cell", NEW),
    ("module/bilm/RNN_{d}/RNN/MultiRNNCell/Cell{i}/rnn/lstm_cell", NEW),
]


@pytest.mark.parametrize(("cell", "within"), SPELLINGS)
@pytest.mark.parametrize("lstm_projection", [True, False])
def test_other_spellings(
    tmp_path: Path, cell: str, within: tuple[str, ...], lstm_projection: bool
) -> None:
    options = small_options(dim=5 if lstm_projection else 4)
    weights = network_weights(options, lstm_projection=lstm_projection)
    scope = cell.partition("RNN_")[0]
    variables: dict[str, Any] = {}
    for name, array in weights.items():
        if name.startswith("RNN_"):
            group, last = name.rsplit("/", 1)
            inner = within[OLDEST.index(last)]
            d, i = group[4], group.split("/")[3].removeprefix("Cell")
            variables[f"{cell.format(d=d, i=i)}/{inner}"] = array
        else:
            if name == "char_embed" and scope != "lm/":  # a graph of prediction
                array = np.concatenate([np.zeros_like(array[:1]), array])
            variables[scope + name] = array
    write_checkpoint(tmp_path / "m/model.ckpt", variables)
    (tmp_path / "m/options.json").write_text(json.dumps(options))
    assert_is(load(tmp_path / "m"), ReferenceElmo(weights, options))


def test_a_pipeline_carries_it(tmp_path: Path) -> None:
    options = small_options()
    write_model(tmp_path / "m", options, network_weights(options), softmax_weights(4))
    expected = load(tmp_path / "m").encode([["the", "bank"]])[0].mean(axis=0)
    nlp = spacy.blank("en")
    prefix = tmp_path / "m/model.ckpt-240"
    nlp.add_pipe("elmo", config={"model": {"weights": str(prefix)}})
    np.testing.assert_allclose(nlp("the bank")._.elmo_vectors, expected, atol=1e-6)
    nlp.to_disk(tmp_path / "saved")
    data = nlp.to_bytes()
    shutil.rmtree(tmp_path / "m")
    for loaded in (
        spacy.load(tmp_path / "saved"),
        spacy.blank("en").from_config(nlp.config).from_bytes(data),
    ):
        found = loaded("the bank")._.elmo_vectors
        np.testing.assert_array_equal(found, nlp("the bank")._.elmo_vectors)


def test_info_and_convert(tmp_path: Path) -> None:
    options = small_options()
    write_model(tmp_path / "m", options, network_weights(options), softmax_weights(4))
    for source in (tmp_path / "m", tmp_path / "m/model.ckpt-240"):
        shown = CliRunner().invoke(app, ["info", str(source)])
        assert shown.exit_code == 0
        assert "8 words x 4" in shown.output
    target = tmp_path / "native"
    assert CliRunner().invoke(app, ["convert", str(source), str(target)]).exit_code == 0
    assert_same(load(target), load(tmp_path / "m"))


def test_without_the_package_of_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crc32c, "compiled", None)
    options = small_options()
    weights = network_weights(options)
    write_model(tmp_path / "m", options, weights)
    assert_is(load(tmp_path / "m"), ReferenceElmo(weights, options))


# Beside HDF5


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """HDF5 weights without a softmax, and a checkpoint of the same model with one."""
    options = small_options()
    write_model(tmp_path / "m", options, network_weights(options), softmax_weights(4))
    lm = load(tmp_path / "m")
    lm.softmax = None
    (tmp_path / "m/options.json").unlink()
    save(lm, tmp_path / "m/elmo.hdf5")
    return tmp_path / "m"


@pytest.mark.parametrize("given", ["", "elmo.hdf5"])
def test_a_checkpoint_adds_its_softmax(both: Path, given: str) -> None:
    lm = load(both / given)
    assert lm.softmax is not None
    expected = softmax_weights(4)
    assert np.array_equal(lm.softmax.weight.detach().numpy(), expected["softmax/W"])
    assert np.array_equal(lm.softmax.bias.detach().numpy(), expected["softmax/b"])
    assert lm.vocabulary == WORDS
    assert lm.notes == ()
    assert all(parameter.requires_grad for parameter in lm.parameters())


def test_the_words_of_its_softmax(both: Path) -> None:
    lm = load(both / "elmo.hdf5")
    lm.softmax = lm.vocabulary = None
    (both / "vocab.txt").rename(both / "words.txt")
    save(lm, both / "elmo.hdf5")
    assert load(both).vocabulary is None
    (both / "words.txt").rename(both / "vocab.txt")
    assert load(both).vocabulary == WORDS


def test_a_tied_softmax_is_added_as_its_own(tmp_path: Path) -> None:
    options = small_options(words=True)
    weights = network_weights(options)
    bias = {"softmax/b": softmax_weights(4)["softmax/b"]}
    write_model(tmp_path / "m", options, weights, bias)
    lm = load(tmp_path / "m")
    lm.softmax = None
    save(lm, tmp_path / "m/elmo.hdf5")
    lm = load(tmp_path / "m")
    assert lm.softmax is not None
    assert np.array_equal(lm.softmax.weight.detach().numpy(), weights["embedding"])
    before = lm.softmax.weight.detach().clone()
    lm.token_encoder.embedding.data.add_(1)  # type: ignore[union-attr]
    assert np.array_equal(lm.softmax.weight.detach().numpy(), before.numpy())


@pytest.mark.parametrize("kind", ["values", "shapes", "layers", "nothing known", "no softmax"])
def test_a_checkpoint_of_another_model_adds_nothing(both: Path, kind: str) -> None:
    options = small_options(
        **{"shapes": {"dim": 6}, "layers": {"n_layers": 1}}.get(kind, {})  # type: ignore[arg-type]
    )
    weights = network_weights(options, seed=int(kind == "values"))
    softmax = None if kind == "no softmax" else softmax_weights(4)
    variables = training_names({**weights, **(softmax or {})}, options)
    if kind == "nothing known":
        variables = {"conv2d/kernel": np.ones((2, 2), np.float32)}
    write_checkpoint(both / "model.ckpt-240", variables)
    for given in (both, both / "elmo.hdf5"):
        lm = load(given)
        assert lm.softmax is None
        (note,) = lm.notes
        assert note.startswith("the checkpoint model.ckpt-240.index beside it is left out: ")
        shown = CliRunner().invoke(app, ["info", str(given)])
        assert "is left out" in " ".join(shown.output.split())


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("two", "holds 2 checkpoints (a.index, model.ckpt-240.index), and no file 'checkpoint'"),
        ("missing", "names 'model.ckpt-240', but model.ckpt-240.index is not there"),
        ("no data", "model.ckpt-240.index has no file model.ckpt-240.data-* beside it"),
    ],
)
def test_it_is_said_that_no_checkpoint_is_clearly_meant(both: Path, kind: str, why: str) -> None:
    if kind == "two":
        write_checkpoint(both / "a", {"x": np.ones(1, np.float32)})
        (both / "checkpoint").unlink()
    for path in both.glob("model.ckpt*"):
        if kind == "missing" or (kind == "no data" and ".data-" in path.name):
            path.unlink()
    for given in (both, both / "elmo.hdf5"):
        with pytest.warns(UserWarning, match="the checkpoint beside it is left out: ") as told:
            lm = load(given)
        assert lm.softmax is None
        (note,) = lm.notes
        assert why in note
        assert str(told[0].message) == f"{given}: {note}"


def test_what_is_no_checkpoint_is_not_looked_at(both: Path) -> None:
    (both / "checkpoint").unlink()
    (both / "words.index").write_bytes(b"of something else")
    for path in both.glob("model.ckpt*"):
        path.unlink()
    for given in (both, both / "elmo.hdf5"):
        lm = load(given)
        assert lm.softmax is None
        assert lm.notes == ()
