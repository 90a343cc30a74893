"""What an HDF5 file takes from elsewhere never becomes weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spacy_elmo.formats import WeightsError, load, save
from tests.formats.models import give_softmax, model, small_weights

KEY = "CNN_proj/b_proj"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    lm = small_weights()
    give_softmax(lm)
    save(lm, tmp_path / "x.hdf5")
    (tmp_path / "key").write_bytes(b"secret.." * 200)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["values"] = np.full(4, 7, "f4")
        other.create_group("group")["b_proj"] = np.full(4, 7, "f4")
    return tmp_path / "x.hdf5"


def external(file: h5py.File, folder: Path) -> None:
    del file[KEY]
    storage = [(str(folder / "key"), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset(KEY, (4,), "f4", external=storage)


def virtual(file: h5py.File, folder: Path) -> None:
    del file[KEY]
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "values", (4,))
    file.create_virtual_dataset(KEY, layout)


def linked(file: h5py.File, folder: Path) -> None:
    del file[KEY]
    file[KEY] = h5py.ExternalLink(str(folder / "other.h5"), "values")


def linked_group(file: h5py.File, folder: Path) -> None:
    del file["CNN_proj"]
    file["CNN_proj"] = h5py.ExternalLink(str(folder / "other.h5"), "group")


def own_group_linked(file: h5py.File, folder: Path) -> None:
    del file["spacy_elmo"]
    file["spacy_elmo"] = h5py.ExternalLink(str(folder / "other.h5"), "/")


def soft(file: h5py.File, folder: Path) -> None:
    file.move(KEY, "elsewhere")
    file[KEY] = h5py.SoftLink("/elsewhere")


def dangling(file: h5py.File, folder: Path) -> None:
    file["more"] = h5py.SoftLink("/nowhere")


def unwritten(file: h5py.File, folder: Path) -> None:
    del file[KEY]
    file.create_dataset(KEY, (4,), "f4")


def unwritten_chunk(file: h5py.File, folder: Path) -> None:
    del file[KEY]
    file.create_dataset(KEY, (4,), "f4", chunks=(2,))[:2] = 1


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        (external, KEY, "takes its numbers from another file ({folder}/key)"),
        (virtual, KEY, "is a virtual dataset, whose numbers are in other files"),
        (linked, KEY, "is a link to another file ({folder}/other.h5)"),
        (linked_group, "CNN_proj", "is a link to another file ({folder}/other.h5)"),
        (own_group_linked, "spacy_elmo", "is a link to another file ({folder}/other.h5)"),
        (soft, KEY, "is a link to another place (/elsewhere)"),
        (dangling, "more", "is a link to another place (/nowhere)"),
        (unwritten, KEY, "was never fully written"),
        (unwritten_chunk, KEY, "was never fully written"),
    ],
)
def test_numbers_from_elsewhere(
    weights: Path, change: Callable[[h5py.File, Path], None], name: str, expected: str
) -> None:
    with h5py.File(weights, "r+") as file:
        change(file, weights.parent)
    with pytest.raises(WeightsError) as caught:
        load(weights)
    message = expected.format(folder=weights.parent)
    assert f"{weights}: tensor {name!r}: {message}" in str(caught.value)


def test_a_dataset_that_has_two_names_and_a_group_that_holds_itself(weights: Path) -> None:
    with h5py.File(weights, "r+") as file:
        file["CNN_proj/self"] = file["/"]
    assert load(weights).vocabulary is not None
    with h5py.File(weights, "r+") as file:
        file["second"] = file[KEY]
    with pytest.raises(WeightsError, match=r"tensor 'second': is unknown \(shape \(4,\)\)"):
        load(weights)


def test_a_link_of_the_file_system_is_the_users_own(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    for name in ("x.hdf5", "x_options.json", "x_vocab.txt"):
        (folder / name).symlink_to(tmp_path / name)
    assert load(folder).config == model().config
