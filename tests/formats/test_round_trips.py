"""What is written is what was there: every bit, in both formats, for every configuration."""

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from safetensors import safe_open

from spacy_elmo import BiLM
from spacy_elmo.formats import load, save
from tests.formats.models import (
    TINY,
    assert_same,
    datasets,
    give_softmax,
    give_state,
    model,
    models,
)

often = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@given(lm=models())
@often
def test_native(lm: BiLM) -> None:
    with TemporaryDirectory() as folder:
        save(lm, Path(folder) / "model")
        assert_same(load(Path(folder) / "model"), lm)


@given(lm=models())
@often
def test_hdf5(lm: BiLM) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        save(lm, folder / "first.hdf5")
        again = load(folder / "first.hdf5")
        assert_same(again, lm)
        save(again, folder / "second.hdf5")
        first, second = datasets(folder / "first.hdf5"), datasets(folder / "second.hdf5")
        assert first.keys() == second.keys()
        assert all(first[key].tobytes() == second[key].tobytes() for key in first)
        options = [(folder / f"{name}_options.json").read_text() for name in ("first", "second")]
        assert options[0] == options[1]


@given(lm=models())
@settings(often, max_examples=20)
def test_there_and_back(lm: BiLM) -> None:
    """HDF5 to native and native to HDF5 keep everything too."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        save(lm, folder / "a.hdf5")
        save(load(folder / "a.hdf5"), folder / "b")
        save(load(folder / "b"), folder / "c.h5")
        first, last = datasets(folder / "a.hdf5"), datasets(folder / "c.h5")
        assert first.keys() == last.keys()
        assert all(first[key].tobytes() == last[key].tobytes() for key in first)


@pytest.mark.parametrize(
    "path",
    [
        "fixtures/bilm-tf/lm_weights.hdf5",
        "fixtures/allennlp/lm_weights.hdf5",
        "weights/deepligand-peptide/weights.h5",
        "weights/en-interim/weights.hdf5",
    ],
)
def test_published_weights(shared: Path, path: str, tmp_path: Path) -> None:
    """By way of both formats, the datasets of a published file come out as they were."""
    save(load(shared / path), tmp_path / "native")
    save(load(tmp_path / "native"), tmp_path / "x.hdf5")
    written, published = datasets(tmp_path / "x.hdf5"), datasets(shared / path)
    assert written.keys() == published.keys()
    for key, values in published.items():
        assert written[key].dtype == values.dtype
        assert written[key].shape == values.shape
        assert written[key].tobytes() == values.tobytes()
    options = json.loads((tmp_path / "x_options.json").read_text())
    told = json.loads((shared / path).with_name("options.json").read_text())
    assert options["lstm"] == told["lstm"]
    assert options["char_cnn"] == told["char_cnn"]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    lm = model()
    give_softmax(lm)
    digests = []
    for name in ("a", "b"):
        save(lm, tmp_path / name / "native")
        save(lm, tmp_path / name / "x.hdf5")
        files = sorted(file for file in (tmp_path / name).rglob("*") if file.is_file())
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
        assert len(files) == 7
    assert digests[0] == digests[1]


def test_float16_storage(tmp_path: Path) -> None:
    lm = BiLM(TINY)
    give_softmax(lm)
    save(lm, tmp_path / "half", dtype="float16")
    with safe_open(tmp_path / "half/weights.safetensors", "numpy") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118
    found = load(tmp_path / "half").state_dict()
    for name, tensor in lm.state_dict().items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], tensor.half().float())
    lm.save(tmp_path / "again", dtype="float16")
    for file in (tmp_path / "half").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_hdf5_of_other_number_types(tmp_path: Path, dtype: str) -> None:
    lm = BiLM(TINY)
    save(lm, tmp_path / "x.hdf5")
    with h5py.File(tmp_path / "x.hdf5", "r+") as file:
        for key, values in datasets(tmp_path / "x.hdf5").items():
            del file[key]
            file[key] = values.astype(dtype)
    found = load(tmp_path / "x.hdf5").state_dict()
    for name, tensor in lm.state_dict().items():
        expected = tensor.numpy().astype(dtype).astype(np.float32)
        assert found[name].dtype == torch.float32
        assert np.array_equal(found[name].numpy(), expected)


def test_compressed_and_chunked_hdf5(tmp_path: Path) -> None:
    lm = model()
    save(lm, tmp_path / "x.hdf5")
    with h5py.File(tmp_path / "x.hdf5", "r+") as file:
        for key, values in datasets(tmp_path / "x.hdf5").items():
            del file[key]
            file.create_dataset(key, data=values, compression="gzip", chunks=True)
    assert_same(load(tmp_path / "x.hdf5"), lm)


def test_blocks_do_not_change_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors larger than one block are put together from many."""
    monkeypatch.setattr("spacy_elmo.formats.blocks.BLOCK", 7)
    lm = model()
    give_state(lm)
    give_softmax(lm)
    save(lm, tmp_path / "x.hdf5")
    save(lm, tmp_path / "native")
    monkeypatch.undo()
    save(lm, tmp_path / "whole.hdf5")
    blocks, whole = datasets(tmp_path / "x.hdf5"), datasets(tmp_path / "whole.hdf5")
    assert all(blocks[key].tobytes() == values.tobytes() for key, values in whole.items())
    monkeypatch.setattr("spacy_elmo.formats.blocks.BLOCK", 7)
    assert_same(load(tmp_path / "x.hdf5"), lm)
    assert_same(load(tmp_path / "native"), lm)


def test_states_and_vocabularies_that_only_exist_at_run_time(tmp_path: Path) -> None:
    lm = model()
    lm.initial_state = "carry"
    save(lm, tmp_path / "native")
    assert load(tmp_path / "native").initial_state == "zero"
    give_state(lm)
    lm.initial_state = "warm"
    save(lm, tmp_path / "x.hdf5")
    assert load(tmp_path / "x.hdf5").initial_state == "warm"
    assert BiLM.from_pretrained(tmp_path / "x.hdf5", initial_state="zero").initial_state == "zero"


def test_the_bias_is_stored_without_the_forget_gates_constant(tmp_path: Path) -> None:
    lm = BiLM(TINY)
    lm.encode([["a"]])
    save(lm, tmp_path / "x.hdf5")
    found = datasets(tmp_path / "x.hdf5")
    assert not found["RNN_0/RNN/MultiRNNCell/Cell0/LSTMCell/B"].any()


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    save(model(), tmp_path / "native")
    save(model(), tmp_path / "x.hdf5")
    before = torch.get_rng_state()
    load(tmp_path / "native")
    load(tmp_path / "x.hdf5")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("target", ["m", "m.hdf5"])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_weights_loaded_in_inference_can_be_trained(
    tmp_path: Path, target: str, mode: type[torch.no_grad]
) -> None:
    save(BiLM(TINY), tmp_path / target)
    with mode():
        lm = load(tmp_path / target)
        lm.encode([["a", "b"]])
    lm.forward([["a", "b"]]).sum().backward()
    with torch.no_grad():
        for parameter in lm.parameters():
            assert parameter.grad is not None
            parameter -= parameter.grad


def test_a_loaded_model_does_not_hang_on_its_files(tmp_path: Path) -> None:
    """Its directory can be overwritten, even with itself, and removed."""
    lm = model()
    save(lm, tmp_path / "native")
    found = load(tmp_path / "native")
    for file in (tmp_path / "native").iterdir():
        file.write_bytes(b"\0" * file.stat().st_size)
        file.unlink()
    assert_same(found, lm)
    save(found, tmp_path / "native")
    again = load(tmp_path / "native")
    save(again, tmp_path / "native")
    assert_same(load(tmp_path / "native"), lm)
