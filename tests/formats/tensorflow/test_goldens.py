"""Checkpoints that TensorFlow wrote: layers, softmax and log-probabilities of bilm-tf."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo import BiLM
from spacy_elmo.formats import load
from spacy_elmo.formats.tensorflow.bundle import read_index
from tests.formats.models import assert_same

LAYERS = 5e-6
NATS = 1e-5
MODELS = ["char2", "char2_sharded", "word_shared", "forward1"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def published(shared: Path) -> Path:
    return shared / "fixtures/published"


def goldens(path: Path) -> Iterator[tuple[list[str], Any]]:
    with np.load(path) as file:
        for k, words in enumerate(json.loads(bytes(file["sentences"]))):
            yield words, file[f"s{k}"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("kind", "state"), [("fresh", "zero"), ("carry", "carry")])
def test_layers(published: Path, name: str, kind: str, state: str) -> None:
    folder = published / "tf_checkpoint" / name
    made_by = "numpy" if name == "forward1" else "all"
    lm = BiLM.from_pretrained(folder / "save_dir", initial_state=state)
    for words, expected in goldens(folder / f"golden/{made_by}_layers_{kind}.npz"):
        (found,) = lm.encode([words])
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= LAYERS


@pytest.mark.parametrize("name", MODELS)
def test_the_network_is_that_of_the_hdf5_file_and_the_softmax_that_of_tensorflow(
    published: Path, name: str
) -> None:
    folder = published / "tf_checkpoint" / name
    lm = load(folder / "save_dir")
    dumped = load(folder / "dump/weights.hdf5", vocab=folder / "save_dir/vocab.txt")
    assert lm.softmax is not None
    with np.load(folder / "golden/softmax.npz") as file:
        assert np.array_equal(lm.softmax.weight.detach().numpy(), file["W"])
        assert np.array_equal(lm.softmax.bias.detach().numpy(), file["b"])
    dumped.softmax = lm.softmax
    dumped.set_vocabulary(lm.vocabulary)
    assert_same(lm, dumped)


@pytest.mark.parametrize("name", MODELS)
def test_every_variable(published: Path, name: str) -> None:
    folder = published / "tf_checkpoint" / name
    said = json.loads((folder / "golden/variables.json").read_text("utf8"))["variables"]
    bundle = read_index(folder / "save_dir/model.ckpt-240.index")
    assert bundle.entries.keys() == said.keys()
    for variable, entry in bundle.entries.items():
        assert entry.dtype == said[variable]["dtype"]
        assert list(entry.shape) == said[variable]["shape"]
        if entry.shape:
            values = bundle.stored(variable).read(0, entry.shape[0])
            assert sha256(values.tobytes()).hexdigest() == said[variable]["sha256"]


@pytest.mark.parametrize("name", MODELS)
def test_log_probabilities(published: Path, name: str) -> None:
    folder = published / "tf_checkpoint" / name
    file = folder / "golden/log_probs.json"
    if name == "char2":
        file = published / "scoring/char2_log_probs.json"
    lm = load(folder / "save_dir")
    assert lm.softmax is not None
    assert lm.vocabulary is not None
    rows = {word: row for row, word in enumerate(lm.vocabulary)}
    width = lm.config.projection_dim
    for sentence in json.loads(file.read_text("utf8"))["zero_state"]:
        words = sentence["tokens"]
        with torch.no_grad():
            top = lm.forward([words], boundaries=True)[-1]
            for direction, states in (
                ("forward", top[:-1, :width]),
                ("backward", top[1:, width:]),
            ):
                if direction not in sentence:
                    continue
                predicts, expected = (
                    sentence[direction]["predicts"],
                    sentence[direction]["log_prob"],
                )
                targets = torch.tensor([rows.get(word, rows["<UNK>"]) for word in predicts])
                found = lm.softmax(states)[torch.arange(len(targets)), targets]
                assert np.abs(found.numpy() - np.array(expected)).max() <= NATS


def test_module_of_tf_hub(published: Path) -> None:
    hub = published / "tf_hub"
    lm = load(hub / "deeppavlov_style", options=hub / "options.json")
    (note,) = lm.notes
    shares = json.loads(note[note.index("[") : note.index("]") + 1])
    gamma = float(note.rpartition("gamma = ")[2].partition(";")[0])
    with np.load(hub / "goldens.npz") as file:
        for k, words in enumerate(json.loads(bytes(file["sentences"]))):
            (found,) = lm.encode([words])
            assert np.abs(found - file[f"s{k}"]).max() <= LAYERS
            mixed = gamma * np.tensordot(shares, found, axes=1)
            assert np.abs(mixed - file[f"mix{k}"]).max() <= LAYERS
    assert lm.softmax is None


def test_archive_of_nlpl_unpacked(published: Path, tmp_path: Path) -> None:
    """HDF5 and checkpoint (of no step) in one folder: the network of one, the softmax of both."""
    with zipfile.ZipFile(published / "nlpl/with_checkpoint.zip") as archive:
        archive.extractall(tmp_path)
    lm = load(tmp_path)
    assert lm.notes == ()
    assert_same(lm, load(published / "tf_checkpoint/char2/save_dir"))
