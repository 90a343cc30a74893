"""What holds no weights of ours is named as what it is, with what to do about it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from zipfile import ZipFile

import h5py
import numpy as np
import pytest
import torch

from spacy_elmo.formats import WeightsError, load, save
from tests.formats.models import assert_same, model


def error(source: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load(source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected", "advice"),
    [
        (
            ["model.ckpt-1.meta", "model.ckpt-1.data-00000-of-00001"],
            "a checkpoint of TensorFlow",
            "Give the path of its .index",
        ),
        (["saved_model.pb", "variables"], "a saved model of TensorFlow", "variables/"),
        (["config.cfg", "meta.json", "vocab"], "a pipeline of spaCy", "elmo/model"),
        (["corpus.json", "tokens.npy"], "a prepared corpus", "spacy elmo pretrain"),
        (["a", "b"], "found a, b", "Expected a native directory"),
    ],
)
def test_folders(tmp_path: Path, names: list[str], expected: str, advice: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    message = error(tmp_path)
    assert message.startswith(f"{tmp_path}: holds no weights ({expected})")
    assert advice in message


def test_files(tmp_path: Path, cache: Path) -> None:
    with ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("x", "y")
    with tarfile.open(tmp_path / "m.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("x"), io.BytesIO())
    torch.save({"a": torch.zeros(1)}, tmp_path / "m.pt")
    torch.save({"a": 1}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    np.save(tmp_path / "m.npy", np.zeros(2))
    (tmp_path / "m.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "options.json").write_text("{}")
    (tmp_path / "model.ckpt-1.data-00000-of-00001").write_bytes(b"x")
    (tmp_path / "char.dic").write_bytes(b"x")
    save(model(), tmp_path / "m")
    for name, expected in (
        ("m.zip", "(found x). Expected a native directory"),
        ("m.pt", "(a zip archive, or what PyTorch"),
        ("m.tar", "(found x). Expected a native directory"),
        ("old.pt", "(a pickle, perhaps saved by PyTorch, which can run any code). Expected"),
        ("m.npy", "(a numpy array). Expected"),
        ("m.gz", "(a gzip file). Unpack it"),
        ("options.json", "(a JSON file). Give the path of the weights beside it"),
        (
            "model.ckpt-1.data-00000-of-00001",
            "(a part of a checkpoint of TensorFlow). Give the path of its .index",
        ),
        ("char.dic", "(a part of a model, char.dic). Give the path of the folder"),
        ("m/weights.safetensors", "(a part of a model, weights.safetensors). Give the path of the"),
    ):
        assert f"{tmp_path / name}: holds no weights {expected}" in error(tmp_path / name)
    assert not cache.exists()


def test_model_hdf5_is_meant_beside_others(tmp_path: Path) -> None:
    save(model(seed=1), tmp_path / "model.hdf5")
    with h5py.File(tmp_path / "vectors.hdf5", "w") as file:
        file["x"] = np.zeros(3)
    assert_same(load(tmp_path), model(seed=1))
    save(model(seed=2), tmp_path / "model.h5")
    assert "holds 3 weights files: model.h5, model.hdf5, vectors.hdf5" in error(tmp_path)


@pytest.mark.parametrize("name", ["x.pt", "x.PTH", "x.npz", "x.zip", "x.safetensors", "x.tar.gz"])
def test_no_directory_is_given_the_name_of_another_kind_of_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=r"would be a directory, although its name ends in"):
        model().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_names_with_dots_stay_names_of_directories(tmp_path: Path) -> None:
    for name in ("en.v1", "en-0.1.0", "x.elmo"):
        save(model(), tmp_path / name)
        assert_same(load(tmp_path / name), model())
    # Whoever has a directory of such a name goes on with it.
    (tmp_path / "en.v1").rename(tmp_path / "x.pt")
    save(model(seed=1), tmp_path / "x.pt")
    assert_same(load(tmp_path / "x.pt"), model(seed=1))
