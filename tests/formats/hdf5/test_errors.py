"""Every way in which HDF5 weights can be wrong has one clear error, and gives no model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spacy_elmo import BiLM
from spacy_elmo.formats import WeightsError, load, save
from tests.formats.models import (
    TINY_WORDS,
    WORDS,
    assert_same,
    datasets,
    give_softmax,
    give_state,
    model,
)

CELL = "RNN_0/RNN/MultiRNNCell/Cell0/LSTMCell"

anywhere = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save(model(), tmp_path / "x.hdf5")
    return tmp_path / "x.hdf5"


def error(path: Path, **given: Any) -> str:
    with pytest.raises(WeightsError) as caught:
        load(path, **given)
    return str(caught.value)


def outcome(path: Path) -> BiLM | str:
    try:
        return load(path)
    except WeightsError as failure:
        return str(failure)


def edit(weights: Path, change: Callable[[h5py.File], object]) -> None:
    with h5py.File(weights, "r+") as file:
        change(file)


def replace(weights: Path, key: str, values: np.ndarray) -> None:
    with h5py.File(weights, "r+") as file:
        del file[key]
        file[key] = values


def change_options(weights: Path, **changes: Any) -> str:
    """Set options, "lstm__dim" for lstm.dim; `...` removes. Returns the error that follows."""
    path = weights.with_name("x_options.json")
    options = json.loads(path.read_text("utf8"))
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = options
        for name in sections:
            section = section[name]
        if value is ...:
            del section[last]
        else:
            section[last] = value
    path.write_text(json.dumps(options), "utf8")
    message = error(weights)
    assert str(path) in message
    return message


# The file as a whole


@given(data=st.data())
@anywhere
def test_truncated(weights: Path, data: st.DataObject) -> None:
    whole = weights.read_bytes()
    length = data.draw(st.integers(0, len(whole) - 1))
    cut = weights.with_name("x_weights.hdf5")
    cut.write_bytes(whole[:length])
    message = error(cut)
    assert str(cut) in message
    assert "is no HDF5 file, or is damaged or truncated" in message


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
@anywhere
def test_a_changed_byte_is_an_error_or_changes_values_only(
    weights: Path, place: float, mask: int
) -> None:
    changed = bytearray(weights.read_bytes())
    changed[int(place * len(changed))] ^= mask
    damaged = weights.with_name("x_weights.hdf5")
    damaged.write_bytes(changed)
    found = outcome(damaged)
    if isinstance(found, str):
        assert str(damaged) in found
    else:
        assert found.config == model().config


def test_a_name_that_is_no_text(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes().replace(b"b_proj", b"b_pr\xffj"))
    assert "tensor 'CNN_proj/b_proj': is missing" in error(weights)
    weights.write_bytes(weights.read_bytes().replace(b"RNN_0", b"\xffNN_0"))
    assert "damaged" in error(weights)


@pytest.mark.parametrize("content", [b"", b"x", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" * 99])
def test_no_hdf5(weights: Path, content: bytes) -> None:
    weights.write_bytes(content)
    assert f"{weights}: is missing, or is no HDF5 file" in error(weights)


def test_hdf5_of_something_else(weights: Path) -> None:
    with h5py.File(weights, "w") as file:
        file["0"] = np.zeros((2, 5, 16), np.float32)
    message = error(weights)
    assert "holds no weights of the first LSTM layer" in message
    assert f"expected {CELL}/W_0 or RNN_0/RNN/LSTMCell/W_0 or" in message
    assert "found 0" in message


def test_no_options(weights: Path) -> None:
    weights.with_name("x_options.json").unlink()
    message = error(weights)
    assert message.startswith(f"{weights}: has no options file")
    assert "give its path as `options`" in message
    assert "is no file" in error(weights, options=weights.with_name("nowhere.json"))


# Datasets


@given(data=st.data())
@settings(anywhere, max_examples=30)
def test_deleted(weights: Path, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(datasets(weights))))
    copy = weights.with_name("x_weights.hdf5")
    copy.write_bytes(weights.read_bytes())
    edit(copy, lambda file: file.pop(key))
    message = error(copy)
    assert str(copy) in message
    if key not in (f"{CELL}/W_0", "char_embed"):  # without these it is another kind of file
        assert key in message
        assert f"is missing, expected with shape {datasets(weights)[key].shape}" in message


@given(data=st.data())
@settings(anywhere, max_examples=30)
def test_renamed(weights: Path, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(datasets(weights))))
    copy = weights.with_name("x_weights.hdf5")
    copy.write_bytes(weights.read_bytes())
    edit(copy, lambda file: file.move(key, f"{key}x"))
    assert str(copy) in error(copy)


@given(data=st.data())
@settings(anywhere, max_examples=40)
def test_reshaped(weights: Path, data: st.DataObject) -> None:
    found = datasets(weights)
    key = data.draw(st.sampled_from(sorted(found)))
    shape = list(found[key].shape)
    axis = data.draw(st.integers(0, len(shape) - 1))
    change = data.draw(st.sampled_from(["longer", "shorter", "extra axis", "no axis", "empty"]))
    if change == "extra axis":
        shape.insert(axis, 1)
    elif change == "no axis":
        shape = []
    else:
        shape[axis] = {"longer": shape[axis] + 1, "shorter": shape[axis] - 1, "empty": 0}[change]
    # Rows of characters are the file's to say, from the 261 on that words are made of.
    assume((key, axis, change) != ("char_embed", 0, "longer"))
    copy = weights.with_name("x_weights.hdf5")
    copy.write_bytes(weights.read_bytes())
    replace(copy, key, np.zeros(shape, np.float32))
    message = error(copy)
    if key == "char_embed" and len(shape) != 2:
        assert f"{copy}: tensor {key!r}: has shape {tuple(shape)}, not two axes" in message
    elif key == "char_embed" and axis == 0:
        assert "n_characters is" in message
    else:
        assert f"{copy}: tensor {key!r}: has shape {tuple(shape)}, expected" in message
        assert str(found[key].shape) in message
        assert "x_options.json describes another model" in message


@given(data=st.data())
@settings(anywhere, max_examples=30)
def test_not_finite(weights: Path, data: st.DataObject) -> None:
    found = datasets(weights)
    key = data.draw(st.sampled_from(sorted(found)))
    value = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    dtype = data.draw(st.sampled_from(["float16", "float32", "float64"]))
    values = np.zeros(found[key].shape, dtype)
    values.flat[data.draw(st.integers(0, values.size - 1))] = value
    copy = weights.with_name("x_weights.hdf5")
    copy.write_bytes(weights.read_bytes())
    for other, zeros in found.items():
        replace(copy, other, np.zeros(zeros.shape, np.float32))
    replace(copy, key, values)
    assert f"{copy}: tensor {key!r}: holds NaN or infinite values" in error(copy)


def test_too_large_for_float32(weights: Path) -> None:
    replace(weights, "CNN_proj/b_proj", np.array([0, 0, 1e39, 0]))
    message = error(weights)
    assert "tensor 'CNN_proj/b_proj': holds values too large for float32" in message


@pytest.mark.parametrize("dtype", ["int32", "complex64", "S5", "bool"])
def test_wrong_type(weights: Path, dtype: str) -> None:
    replace(weights, "CNN_proj/b_proj", np.zeros(4, dtype))
    message = error(weights)
    assert "tensor 'CNN_proj/b_proj': holds " in message
    assert "expected float16 or float32 or float64" in message


@pytest.mark.parametrize(
    "key", ["extra", "RNN_2/RNN/W", "softmax/x", "spacy_elmo/x", "global_step", "embedding"]
)
def test_unknown_dataset(weights: Path, key: str) -> None:
    edit(weights, lambda file: file.create_dataset(key, (3, 2), "f4"))
    assert f"tensor {key!r}: is unknown (shape (3, 2))" in error(weights)


def test_a_direction_too_few_or_too_many(weights: Path) -> None:
    copy = weights.with_name("x_weights.hdf5")
    copy.write_bytes(weights.read_bytes())
    edit(copy, lambda file: file.pop("RNN_1"))
    assert "tensor 'RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell/W_0': is missing" in error(copy)
    copy.unlink()
    assert "tensor 'RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell/B': is unknown" in change_options(
        weights, bidirectional=False
    )


def test_forward_only_weights_with_options_of_both_directions(weights: Path) -> None:
    edit(weights, lambda file: file.pop("RNN_1"))
    edit(weights, lambda file: file.move("RNN_0/RNN", "rnn"))
    for i in range(2):
        cell = f"rnn/MultiRNNCell/Cell{i}/LSTMCell"
        edit(weights, lambda file, cell=cell: file.move(f"{cell}/W_0", f"{cell}/kernel"))
    assert "'bidirectional' is true, but the weights are forward only" in change_options(weights)


@pytest.mark.parametrize("half", ["softmax/W", "softmax/b", "spacy_elmo/initial_h"])
def test_half_of_a_pair(tmp_path: Path, half: str) -> None:
    lm = model()
    give_softmax(lm)
    give_state(lm)
    save(lm, tmp_path / "x.hdf5")
    edit(tmp_path / "x.hdf5", lambda file: file.pop(half))
    assert "without its partner" in error(tmp_path / "x.hdf5")


def test_warm_without_a_state(weights: Path) -> None:
    def claim(file: h5py.File) -> None:
        file.require_group("spacy_elmo").attrs["initial_state"] = "warm"

    edit(weights, claim)
    assert "says that its initial state is warm, but holds no state" in error(weights)
    edit(weights, lambda file: file["spacy_elmo"].attrs.modify("initial_state", "hot"))
    assert "initial_state of 'spacy_elmo' is 'hot'. Expected one of ('zero', 'warm')" in error(
        weights
    )


# Options


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        ("[]", "holds a list, expected an object"),
        ('{"lstm": {"cell_clip": NaN}}', "NaN is no JSON number"),
        ("[" * 100_000, "is not valid JSON"),
        ("{}", "the key 'lstm' is missing"),
        ('{"lstm": 3}', "the key 'lstm' is 3"),
    ],
)
def test_options_that_are_none(weights: Path, content: str, expected: str) -> None:
    options = weights.with_name("x_options.json")
    options.write_text(content)
    message = error(weights)
    assert message.startswith(f"{options}: ")
    assert expected in message


def test_options_that_are_not_utf8(weights: Path) -> None:
    options = weights.with_name("x_options.json")
    options.write_bytes(b'{"a": "\xff"}')
    assert f"{options}: is not valid JSON" in error(weights)


@pytest.mark.parametrize(
    "key",
    [
        "lstm__dim",
        "lstm__projection_dim",
        "char_cnn__filters",
        "char_cnn__activation",
        "char_cnn__max_characters_per_token",
    ],
)
def test_missing_option(weights: Path, key: str) -> None:
    assert f"the key {key.replace('__', '.')!r} is missing" in change_options(weights, **{key: ...})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"lstm__dim": "6"}, "lstm_dim is '6': expected int"),
        ({"lstm__dim": True}, "lstm_dim is True: expected int"),
        ({"lstm__projection_dim": 0}, "projection_dim is 0: expected a whole number"),
        ({"lstm__cell_clip": -1}, "cell_clip is -1"),
        ({"lstm__proj_clip": "3"}, "proj_clip is '3'"),
        ({"lstm__use_skip_connections": 1}, "use_skip_connections is 1: expected bool"),
        ({"lstm__n_layers": 0}, "n_layers is 0"),
        ({"bidirectional": "yes"}, "bidirectional is 'yes': expected bool"),
        ({"char_cnn__activation": "gelu"}, "activation is 'gelu': expected one of"),
        ({"char_cnn__filters": []}, "filters is empty"),
        ({"char_cnn__filters": [[1]]}, "expected a list of [width, number] pairs"),
        ({"char_cnn__filters": [["1", 2], [3, 5]]}, "filter width is '1'"),
        ({"char_cnn__filters": 3}, "char_cnn.filters is 3"),
        ({"char_cnn__n_highway": -1}, "n_highway is -1"),
        ({"char_cnn__max_characters_per_token": 2}, "max_characters_per_token is 2"),
        ({"char_cnn__embedding": {}}, "'char_cnn.embedding' is {}"),
        ({"char_cnn__embedding": {"dim": None}}, "embedding_dim is None"),
        ({"char_cnn__n_characters": 300}, "n_characters is 300, but 'char_embed' has 261 rows"),
        ({"char_cnn": []}, "the key 'char_cnn' is []"),
        ({"lstm__layer_norm": True}, "unknown key 'lstm.layer_norm'"),
        ({"char_cnn__dropout": 0.1}, "unknown key 'char_cnn.dropout'"),
    ],
)
def test_invalid_option(weights: Path, change: dict[str, Any], expected: str) -> None:
    assert expected in change_options(weights, **change)


@pytest.mark.parametrize(
    ("change", "tensor"),
    [
        ({"lstm__dim": 7}, f"{CELL}/W_0"),
        ({"lstm__projection_dim": 5}, "CNN_proj/W_proj"),
        ({"lstm__n_layers": 3}, "RNN_0/RNN/MultiRNNCell/Cell2/LSTMCell/W_0"),
        ({"lstm__n_layers": 1000}, "RNN_0/RNN/MultiRNNCell/Cell2/LSTMCell/W_0"),
        ({"lstm__n_layers": 1}, "RNN_0/RNN/MultiRNNCell/Cell1/LSTMCell/B"),
        ({"char_cnn__n_highway": 0}, "CNN_high_0/W_carry"),
        ({"char_cnn__n_highway": 1000}, "CNN_high_1/W_carry"),
        ({"char_cnn__filters": [[1, 2], [3, 4]]}, "CNN/W_cnn_1"),
        ({"char_cnn__filters": [[1, 2]]}, "CNN/W_cnn_1"),
        ({"char_cnn__embedding": {"dim": 10**6}}, "char_embed"),
        ({"char_cnn": ...}, "embedding"),
    ],
)
def test_options_of_another_model(weights: Path, change: dict[str, Any], tensor: str) -> None:
    """Sizes that no memory could hold are refused by comparison, not by trying."""
    assert f"{weights}: tensor {tensor!r}: " in change_options(weights, **change)


def test_one_layer_where_options_say_two(weights: Path) -> None:
    edit(weights, lambda file: file.move("RNN_0/RNN/MultiRNNCell/Cell0/LSTMCell", "kept"))
    edit(weights, lambda file: (file.pop("RNN_0"), file.pop("RNN_1")))
    edit(weights, lambda file: file.move("kept", "RNN_0/RNN/LSTMCell"))
    message = change_options(weights)
    assert "lstm.n_layers is 2, but the weights have one LSTM layer" in message


# Word input


@pytest.fixture
def words(tmp_path: Path) -> Path:
    save(model(TINY_WORDS), tmp_path / "w.hdf5")
    return tmp_path / "w.hdf5"


def vocabulary_error(weights: Path, content: bytes) -> str:
    vocab = weights.with_name("w_vocab.txt")
    vocab.write_bytes(content)
    message = error(weights)
    assert str(vocab) in message
    return message


def test_vocabularies(words: Path) -> None:
    lines = [word.encode() for word in WORDS]
    assert f"has {len(WORDS) - 1} lines, but 'embedding'" in vocabulary_error(
        words, b"\n".join(lines[1:])
    )
    assert f"has {len(WORDS)} rows" in vocabulary_error(words, b"\n".join([*lines, b"x"]))
    assert "'the' stands on line 4 and again on line 11" in vocabulary_error(
        words, b"\n".join([*lines[:-1], b"the"])
    )
    assert "line 6 is empty" in vocabulary_error(words, b"\n".join([*lines[:5], b"", *lines[6:]]))
    assert "line 5 is not UTF-8" in vocabulary_error(
        words, b"\n".join([*lines[:4], b"\xff", *lines[5:]])
    )
    assert "lacks <UNK>: " in vocabulary_error(words, b"\n".join([*lines[:2], b"x", *lines[3:]]))
    words.with_name("w_vocab.txt").write_bytes(b"\r\n".join(lines))
    assert_same(load(words), model(TINY_WORDS))


def test_no_vocabulary(words: Path, tmp_path: Path) -> None:
    kept = words.with_name("w_vocab.txt").rename(tmp_path / "elsewhere")
    message = error(words)
    assert message.startswith(f"{words}: reads whole words, and has no vocabulary")
    assert "give its path as `vocab`" in message
    assert "is no file" in error(words, vocab=tmp_path / "nowhere.txt")
    assert_same(load(words, vocab=kept), model(TINY_WORDS))


def test_embedding_of_the_wrong_shape(words: Path) -> None:
    replace(words, "embedding", np.zeros((len(WORDS), 3), np.float32))
    assert f"has shape ({len(WORDS)}, 3), expected ({len(WORDS)}, 4)" in error(words)
    replace(words, "embedding", np.zeros(3, np.float32))
    assert "tensor 'embedding': has shape (3,), not two axes" in error(words)


@pytest.mark.parametrize(
    "changes",
    [
        {"lstm__n_layers": 10**9},
        {"lstm__dim": 10**30},
        {"char_cnn__n_highway": 10**9},
        {"char_cnn__max_characters_per_token": 10**9},
        {"char_cnn__embedding": {"dim": 10**9}},
        {"char_cnn__filters": [[1, 10**30]]},
    ],
)
def test_sizes_beyond_all_bounds(weights: Path, changes: dict[str, Any]) -> None:
    assert "expected a whole number of at most" in change_options(weights, **changes)


def test_a_clip_that_is_not_finite(weights: Path) -> None:
    path = weights.with_name("x_options.json")
    path.write_text(
        path.read_text("utf8").replace('"cell_clip": 3.0', '"cell_clip": 1e999'), "utf8"
    )
    assert "cell_clip is inf: expected a finite number" in error(weights)
