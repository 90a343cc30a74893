"""What is wrong with a checkpoint is said in one error that names file and variable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.formats import WeightsError, load
from tests.formats.tensorflow.checkpoint import (
    entry,
    header,
    message,
    network_weights,
    number,
    small_options,
    softmax_weights,
    training_names,
    with_slots,
    write_checkpoint,
    write_model,
)

OPTIONS = small_options()
EMBED, KERNEL = "lm/char_embed", "lm/RNN_0/rnn/multi_rnn_cell/cell_0/lstm_cell/kernel"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "m", OPTIONS, network_weights(OPTIONS), softmax_weights(4), n_shards=2)
    return tmp_path / "m"


@pytest.fixture
def variables() -> dict[str, Any]:
    weights = {**network_weights(OPTIONS), **softmax_weights(4)}
    return with_slots(training_names(weights, OPTIONS))


def error(path: Path, name: str = "model.ckpt-240.index") -> str:
    with pytest.raises(WeightsError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path / name if path.is_dir() else path))
    return str(caught.value)


# Variables


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({EMBED: None}, "tensor 'char_embed': is missing"),
        ({"lm/CNN/W_cnn_0": None}, "tensor 'lm/CNN/W_cnn_0': is missing, expected with shape"),
        ({"lm/CNN/more": np.ones(3)}, "tensor 'lm/CNN/more': is unknown (shape (3,))"),
        ({"conv/kernel": np.ones(3)}, "tensor 'conv/kernel': is unknown (shape (3,)): expected"),
        ({"lm/CNN/more/Adagrad": np.ones(3)}, "tensor 'lm/CNN/more/Adagrad': is unknown"),
        ({f"{EMBED}/Adagrad": np.ones(3)}, f"tensor '{EMBED}/Adagrad': is unknown"),
        ({f"{EMBED}/ExponentialMovingAverage": np.ones(3)}, "Average': is unknown"),
        ({KERNEL: np.ones((3, 3), np.float32)}, f"tensor '{KERNEL}': has shape (3, 3), expected"),
        ({KERNEL: np.ones((8, 20), np.int32)}, f"tensor '{KERNEL}': holds int32 values"),
        ({KERNEL: np.full((8, 20), np.nan)}, f"tensor '{KERNEL}': holds NaN"),
        ({EMBED: np.ones(3, np.float32)}, "tensor 'char_embed': has shape (3,), not two axes"),
        ({"lm/softmax/W": None}, "holds softmax.bias without its partner"),
        ({"lm/softmax/b": None}, "holds softmax.weight without its partner"),
    ],
)
def test_variables(
    folder: Path, variables: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    for name, value in changes.items():
        variables.pop(name, None)
        if value is None:
            variables.pop(f"{name}/Adagrad", None)
        else:
            variables[name] = value
    for name in [name for name in variables if name.endswith("/Adagrad") and name not in changes]:
        del variables[name]
    write_checkpoint(folder / "model.ckpt-240", variables)
    assert expected in error(folder)


def test_other_networks(folder: Path) -> None:
    write_checkpoint(folder / "model.ckpt-240", {"conv/kernel": np.ones(3)})
    assert "expected names that begin with 'lm/'" in error(folder)
    write_checkpoint(folder / "model.ckpt-240", {"lm/dense": np.ones(3)})
    assert "holds no weights of the first LSTM layer" in error(folder)
    write_checkpoint(folder / "model.ckpt-240", {})
    assert "holds no weights of the first LSTM layer" in error(folder)


def test_padding_of_another_kind(folder: Path) -> None:
    variables = {}
    for name, array in network_weights(OPTIONS).items():
        if name == "char_embed":
            array = np.concatenate([array[:1] + 1, array])
        group, _, last = name.rpartition("/")
        if group.startswith("RNN"):
            inner = {"W_0": "kernel", "B": "bias", "W_P_0": "projection/kernel"}[last]
            name = f"{group.removesuffix('/LSTMCell')}/rnn/lstm_cell/{inner}"
        variables[f"bilm/{name}"] = array
    write_checkpoint(folder / "model.ckpt-240", variables)
    assert "does not begin with the row of zeros" in error(folder)


# What an index says


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (entry(1, (261, 3), 5, 0, 3132, 1), "is no place in its data files"),
        (entry(1, (261, 3), 0, -5, 3132, 1), "is no place in its data files"),
        (entry(1, (261, 3), 0, 0, 2**62, 1), "bytes, which its shape (261, 3) has not"),
        (entry(1, (2**40, 2**40), 0, 0, 3132, 1), "bytes, which its shape"),
        (entry(1, (2**40, 2), 0, 0, 2**43, 1), "has 1099511627776 rows"),
        (entry(1, (1,) * 30, 0, 0, 4, 1), "a shape has 30 axes"),
        (entry(7, (261, 3), 0, 0, 3132, 1), "holds type 7 values"),
        (entry(1, (261, 3), 0, 10**12, 3132, 1), "it is truncated"),
        (entry(1, (261, 3), 0, 0, 3132, 1), "does not have the checksum"),
        (entry(1, (261, 3), 0, 0, 3132, 1) + b"\x3a\x00", "is stored in parts"),
        (b"\x0a", "a number is cut off"),
        (b"\x0f", "a field of the unknown kind 7"),
    ],
)
def test_entries(folder: Path, variables: dict[str, Any], content: bytes, expected: str) -> None:
    del variables[f"{EMBED}/Adagrad"]  # a slot is known by the shape of its variable
    write_checkpoint(folder / "model.ckpt-240", variables, entries={EMBED: content})
    with pytest.raises(WeightsError) as caught:
        load(folder)
    assert str(folder) in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (header(1, big_endian=True), "big-endian"),
        (header(1, min_consumer=2), "its version is 2, expected 1"),
        (header(0), "it names 0 data files"),
        (header(10**9), "it names 1000000000 data files"),
        (number(1, 1) + b"\x1a\x05", "a field is cut off"),
        (number(1, 1) + message(3, message(2, b"1")), "its version is no number"),
    ],
)
def test_headers(folder: Path, variables: dict[str, Any], head: bytes, expected: str) -> None:
    write_checkpoint(folder / "model.ckpt-240", variables, head=head)
    assert expected in error(folder)


def test_compressed(folder: Path, variables: dict[str, Any]) -> None:
    write_checkpoint(folder / "model.ckpt-240", variables, compression=1)
    assert "is compressed (snappy), which is not read" in error(folder)


# Files


def test_files_that_are_missing(folder: Path) -> None:
    (folder / "options.json").rename(folder / "o")
    assert "has no options file" in error(folder)
    (folder / "o").rename(folder / "options.json")
    shard = folder / "model.ckpt-240.data-00001-of-00002"
    shard.unlink()
    assert "cannot be read" in error(folder, shard.name)
    index = folder / "model.ckpt-240.index"
    index.unlink()
    message = error(folder, "checkpoint")
    assert "names 'model.ckpt-240', but model.ckpt-240.index is not there" in message
    (folder / "checkpoint").unlink()
    message = error(folder, "")
    assert "holds no weights (a checkpoint of TensorFlow). Give the path of its .index" in message


def test_a_checkpoint_of_a_name_that_no_file_can_have(folder: Path) -> None:
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{"x" * 5000}"\n')
    message = error(folder, "checkpoint")
    assert f"{'x' * 5000}.index is not there (there is: model.ckpt-240.index)" in message


def test_several_checkpoints(folder: Path) -> None:
    write_checkpoint(folder / "model.ckpt-10", {})
    (folder / "checkpoint").unlink()
    message = error(folder, "")
    assert "holds 2 checkpoints (model.ckpt-10.index, model.ckpt-240.index)" in message


def test_options_and_vocabularies_of_other_models(folder: Path) -> None:
    (folder / "vocab.txt").write_text("<S>\n</S>\n<UNK>\n")
    assert "has 3 lines, but 'lm/softmax/W' of" in error(folder, "vocab.txt")
    (folder / "options.json").write_text(json.dumps(small_options(n_layers=3)))
    (folder / "vocab.txt").unlink()
    message = error(folder)
    assert "cell_2/lstm_cell/kernel': is missing" in message
    assert "options.json describes another model" in message
    write_model(folder, small_options(words=True), network_weights(small_options(words=True)))
    (folder / "vocab.txt").unlink()
    assert "reads whole words, and has no vocabulary" in error(folder)


def test_an_empty_index_and_one_that_is_too_large(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = folder / "model.ckpt-240.index"
    monkeypatch.setattr("spacy_elmo.formats.tensorflow.bundle.LARGEST_INDEX", 10)
    assert "too large for an index" in error(folder)
    monkeypatch.undo()
    index.write_bytes(b"")
    assert "it does not end as a table does" in error(folder)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(data=st.data(), shard=st.sampled_from([None, 0, 1]))
def test_damaged_anywhere(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, shard: int | None
) -> None:
    """Any other byte of the index, or of a variable that is needed, is an error; truncated too."""
    folder = tmp_path_factory.mktemp("damaged") / "m"
    weights = network_weights(OPTIONS)
    variables = training_names({**weights, **softmax_weights(4)}, OPTIONS)
    write_model(folder, OPTIONS, weights)
    write_checkpoint(folder / "model.ckpt-240", variables, n_shards=2, block_size=200)
    load(folder)
    name = ".index" if shard is None else f".data-0000{shard}-of-00002"
    path = folder / f"model.ckpt-240{name}"
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        load(folder)
    assert str(caught.value).startswith(str(path))
    if shard is not None:
        assert "tensor 'lm/" in str(caught.value)


def test_a_damaged_slot_is_not_looked_at(folder: Path, variables: dict[str, Any]) -> None:
    write_checkpoint(folder / "model.ckpt-240", variables)
    before = load(folder)
    path = folder / "model.ckpt-240.data-00000-of-00001"
    content = path.read_bytes()
    slot = variables[f"{EMBED}/Adagrad"].tobytes()
    assert content.count(slot)
    path.write_bytes(content.replace(slot, b"\xff" * len(slot)))
    after = load(folder)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(before.encode([["the"]]), after.encode([["the"]]), strict=True)
    )


def test_a_damaged_checkpoint_beside_hdf5(folder: Path) -> None:
    lm = load(folder)
    lm.softmax = None
    lm.save(folder / "elmo.hdf5")
    index = folder / "model.ckpt-240.index"
    content = bytearray(index.read_bytes())
    content[7] ^= 1
    index.write_bytes(content)
    for path in (folder, folder / "elmo.hdf5"):
        with pytest.raises(WeightsError) as caught:
            load(path)
        assert str(caught.value).startswith(str(index))
        assert str(caught.value).endswith("move it away to do without its softmax")
