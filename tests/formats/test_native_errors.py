"""Every way in which a native directory can be wrong has one clear error, and gives no model."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from spacy_elmo import BiLM
from spacy_elmo.formats import WeightsError, load, save
from tests.formats.models import (
    TINY,
    TINY_WORDS,
    WORDS,
    assert_same,
    give_softmax,
    give_state,
    model,
)

anywhere = settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A directory with every file a native directory can have."""
    save(everything(), tmp_path / "m")
    return tmp_path / "m"


def everything() -> BiLM:
    lm = model()
    torch.manual_seed(0)
    give_softmax(lm)
    give_state(lm)
    return lm


def error(path: Path, **given: Any) -> str:
    with pytest.raises(WeightsError) as caught:
        load(path, **given)
    return str(caught.value)


def outcome(path: Path) -> BiLM | str:
    try:
        return load(path)
    except WeightsError as failure:
        return str(failure)


def change_config(path: Path, **changes: Any) -> str:
    """Set keys of the config, `...` removes. Returns the error that follows."""
    config = json.loads((path / "config.json").read_text("utf8"))
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = config
        for name in sections:
            section = section[name]
        if value is ...:
            del section[last]
        else:
            section[last] = value
    (path / "config.json").write_text(json.dumps(config), "utf8")
    return error(path)


def change_tensors(path: Path, **changes: Any) -> None:
    """Set tensors of a safetensors file, `...` removes."""
    tensors = load_file(path)
    for name, values in changes.items():
        tensors.pop(name, None)
        if values is not ...:
            tensors[name] = values
    save_file(tensors, path)


# Files


@given(file=st.sampled_from(["weights.safetensors", "softmax.safetensors"]), data=st.data())
@anywhere
def test_truncated(saved: Path, file: str, data: st.DataObject) -> None:
    whole = (saved / file).read_bytes()
    length = data.draw(st.integers(0, len(whole) - 1))
    try:
        (saved / file).write_bytes(whole[:length])
        message = error(saved)
        assert message.startswith(str(saved / file))
        assert "damaged or truncated" in message
    finally:
        (saved / file).write_bytes(whole)


@given(data=st.data(), mask=st.integers(1, 255))
@anywhere
def test_a_changed_byte_of_the_header(saved: Path, data: st.DataObject, mask: int) -> None:
    """It is an error, or the change has no meaning (in a space, say)."""
    whole = (saved / "weights.safetensors").read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, header - 1))] ^= mask
    try:
        (saved / "weights.safetensors").write_bytes(changed)
        found = outcome(saved)
    finally:
        (saved / "weights.safetensors").write_bytes(whole)
    if isinstance(found, str):
        assert str(saved / "weights.safetensors") in found
    else:
        assert_same(found, everything())


@given(length=st.floats(0, 1, exclude_max=True))
@settings(anywhere, max_examples=30)
def test_truncated_config(saved: Path, length: float) -> None:
    whole = (saved / "config.json").read_text().rstrip()
    try:
        (saved / "config.json").write_text(whole[: int(length * len(whole))])
        assert f"{saved / 'config.json'}: is not valid JSON" in error(saved)
    finally:
        (saved / "config.json").write_text(whole)


@pytest.mark.parametrize("file", ["config.json", "weights.safetensors"])
def test_missing_file(saved: Path, file: str) -> None:
    (saved / file).unlink()
    assert error(saved).startswith(f"{saved / file}: ")


def test_files_that_are_directories(saved: Path) -> None:
    (saved / "weights.safetensors").unlink()
    (saved / "weights.safetensors").mkdir()
    assert error(saved).startswith(f"{saved / 'weights.safetensors'}: ")


@pytest.mark.parametrize("kind", ["options", "vocab"])
def test_given_what_the_directory_has(saved: Path, kind: str) -> None:
    message = error(saved, **{kind: saved / "config.json"})
    assert f"is a native directory with {kind} of its own" in message
    assert f"Leave out `{kind}`" in message


# Config


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "other"}, "is no config of a biLM"),
        ({"format": ...}, "is no config of a biLM"),
        ({"version": 2}, "has version 2, this spacy-elmo reads version 1"),
        ({"version": ...}, "has version None"),
        ({"lstm_dims": 3}, "unknown key 'lstm_dims'"),
        ({"char_cnn__width": 3}, "unknown key 'char_cnn.width'"),
        ({"cell_clip": ...}, "the key 'cell_clip' is missing"),
        ({"char_cnn": ...}, "the key 'char_cnn' is missing"),
        ({"char_cnn__activation": ...}, "the key 'activation' is missing"),
        ({"lstm_dim": "6"}, "lstm_dim is '6': expected int"),
        ({"lstm_dim": 6.0}, "lstm_dim is 6.0: expected int"),
        ({"char_cnn__filters": [1, 2]}, "char_cnn.filters is [1, 2]"),
        ({"char_cnn": None}, "needs n_words"),
        ({"n_words": 3}, "n_words is for word input"),
        ({"initial_state": "carry"}, "initial_state is 'carry': expected one of"),
        ({"lstm_projection": False}, "an LSTM without projection needs lstm_dim"),
        ({"lstm_dim": 10**12}, "lstm_dim is 1000000000000: expected a whole number of at most"),
        ({"n_layers": 10**9}, "n_layers is 1000000000: expected a whole number of at most 1,000"),
    ],
)
def test_config(saved: Path, change: dict[str, Any], expected: str) -> None:
    message = change_config(saved, **change)
    assert message.startswith(f"{saved / 'config.json'}: ")
    assert expected in message


@pytest.mark.parametrize(
    ("change", "tensor"),
    [
        ({"lstm_dim": 10**6}, "forward_layers.0.weight"),
        ({"n_layers": 1000}, "forward_layers.2.weight"),
        ({"n_layers": 1}, "backward_layers.1.bias"),
        ({"bidirectional": False}, "backward_layers.0.bias"),
        ({"char_cnn__n_characters": 262}, "token_encoder.char_embedding"),
        ({"char_cnn__n_highway": 2}, "token_encoder.highways.1.gate.weight"),
    ],
)
def test_config_of_another_model(saved: Path, change: dict[str, Any], tensor: str) -> None:
    assert f"{saved / 'weights.safetensors'}: tensor {tensor!r}: " in change_config(saved, **change)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
def test_numbers_that_are_not_finite(saved: Path, number: str) -> None:
    text = (saved / "config.json").read_text("utf8")
    (saved / "config.json").write_text(re.sub('"cell_clip": [^,]*', f'"cell_clip": {number}', text))
    message = error(saved)
    assert message.startswith(f"{saved / 'config.json'}: cell_clip is ")
    assert "expected a finite number" in message


def test_warm_without_a_state(saved: Path) -> None:
    change_tensors(saved / "weights.safetensors", initial_h=..., initial_c=...)
    assert "says that its initial state is warm, but holds no state" in change_config(
        saved, initial_state="warm"
    )


# Tensors


@given(data=st.data())
@settings(anywhere, max_examples=40)
def test_tensors(tmp_path: Path, data: st.DataObject) -> None:
    lm = model()
    save(lm, tmp_path / "m")
    file = tmp_path / "m/weights.safetensors"
    found = load_file(file)
    name = data.draw(st.sampled_from(sorted(found)))
    shape = found[name].shape
    what = data.draw(st.sampled_from(["gone", "renamed", "reshaped", "nan", "inf", "type"]))
    values = found[name].copy()
    if what == "gone":
        change_tensors(file, **{name: ...})
        expected = f"tensor {name!r}: is missing, expected with shape {shape}"
    elif what == "renamed":
        change_tensors(file, **{name: ..., f"{name}_": values})
        expected = f"tensor {name!r}: is missing"
    elif what == "reshaped":
        change_tensors(file, **{name: values[None]})
        expected = f"tensor {name!r}: has shape {(1, *shape)}, expected {shape}"
    elif what == "type":
        change_tensors(file, **{name: values.astype(np.float64)})
        expected = f"tensor {name!r}: holds F64 values, expected float16 or float32"
    else:
        place = data.draw(st.integers(0, values.size - 1))
        values.flat[place] = {"nan": np.nan, "inf": -np.inf}[what]
        change_tensors(file, **{name: values})
        expected = f"tensor {name!r}: holds NaN or infinite values"
    message = error(tmp_path / "m")
    assert f"{file}: {expected}" in message


def test_unknown_tensor(saved: Path) -> None:
    change_tensors(saved / "weights.safetensors", surplus=np.zeros((2, 3), np.float32))
    assert "tensor 'surplus': is unknown (shape (2, 3))" in error(saved)


def test_half_a_state(saved: Path) -> None:
    change_tensors(saved / "weights.safetensors", initial_h=...)
    assert "holds initial_c without its partner" in error(saved)


def test_softmax(saved: Path) -> None:
    file = saved / "softmax.safetensors"
    whole = load_file(file)
    change_tensors(file, **{"softmax.bias": ...})
    assert f"{file}: tensor 'softmax.bias': is missing" in error(saved)
    save_file(whole, file)
    change_tensors(file, **{"softmax.weight": ...})
    assert str(file) in error(saved)
    save_file({name: values[:-1] for name, values in whole.items()}, file)
    message = error(saved)
    assert f"{saved / 'vocab.txt'}: has {len(WORDS)} lines" in message
    assert f"softmax.safetensors has {len(WORDS) - 1} rows" in message


def test_vocabulary(tmp_path: Path) -> None:
    save(model(TINY_WORDS), tmp_path / "m")
    vocab = tmp_path / "m/vocab.txt"
    vocab.write_text("<S>\n</S>\n", "utf8")
    message = error(tmp_path / "m")
    assert f"{vocab}: has 2 lines, but the word embedding of" in message
    assert f"has {len(WORDS)} rows" in message
    vocab.unlink()
    assert "vocab.txt is missing, and this model reads whole words" in error(tmp_path / "m")


# Writing


@pytest.mark.parametrize("target", ["m", "m.hdf5"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nothing_is_written_that_could_not_be_read(
    tmp_path: Path, target: str, value: float
) -> None:
    save(model(), tmp_path / target)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    lm = BiLM(TINY)
    with torch.no_grad():
        lm.forward_layers[1].bias[3] = value
    with pytest.raises(WeightsError, match=r"tensor 'forward_layers.1.bias': holds NaN or inf"):
        save(lm, tmp_path / target)
    assert {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()} == before


def test_number_types_for_writing(tmp_path: Path) -> None:
    lm = BiLM(TINY)
    with torch.no_grad():
        lm.forward_layers[1].bias[3] = 70_000
    with pytest.raises(WeightsError, match=r"forward_layers.1.bias.*too large for float16"):
        save(lm, tmp_path / "m", dtype="float16")
    with pytest.raises(WeightsError, match=r"cannot be written as float8.*float16"):
        save(lm, tmp_path / "m", dtype="float8")
    with pytest.raises(WeightsError, match="written as float32, not as float16"):
        save(lm, tmp_path / "m.hdf5", dtype="float16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["m", "m.hdf5"])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", "line 4 is empty"),
        ("a\nb", "holds a line break"),
        ("a\r", "holds a line break"),
        ("\udc80", "UTF-8"),
        ("<S>", "again"),
    ],
)
def test_words_that_no_vocabulary_file_can_hold(
    tmp_path: Path, target: str, word: str, expected: str
) -> None:
    lm = model()
    lm.set_vocabulary([*WORDS[:3], word])
    with pytest.raises(WeightsError, match=expected):
        save(lm, tmp_path / target)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["m", "m.hdf5"])
def test_a_vocabulary_that_does_not_fit_the_softmax(tmp_path: Path, target: str) -> None:
    lm = everything()
    lm.set_vocabulary(WORDS[:-1])
    with pytest.raises(WeightsError, match=r"vocabulary has 10 words, the softmax 11 rows"):
        save(lm, tmp_path / target)
    assert not list(tmp_path.iterdir())


def test_word_input_without_its_words(tmp_path: Path) -> None:
    """A native directory would be of no use; an HDF5 file can be given its words later."""
    lm = BiLM(TINY_WORDS)
    with pytest.raises(WeightsError, match=r"stored with its vocabulary.*set_vocabulary"):
        save(lm, tmp_path / "m")
    assert not list(tmp_path.iterdir())
    save(lm, tmp_path / "m.hdf5")
    (tmp_path / "words").write_text("".join(f"{word}\n" for word in WORDS), "utf8")
    found = load(tmp_path / "m.hdf5", vocab=tmp_path / "words")
    assert found.vocabulary == WORDS
