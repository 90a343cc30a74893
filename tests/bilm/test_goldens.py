"""The numbers TensorFlow (bilm-tf) and AllenNLP computed from the same weights."""

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from spacy_elmo import BiLM

# Embeddings from outside carry about 1e-6 of their own float32 noise.
EMBEDDINGS = 2e-6
LAYERS = 5e-6

TF_SETS = [("bilm-tf", "lm_embeddings_sentences.json"), ("allennlp", "sentences.json")]

pytestmark = pytest.mark.usefixtures("kernels")


def furthest(found: np.ndarray, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max())


@pytest.mark.parametrize(("folder", "sentences_file"), TF_SETS)
@pytest.mark.parametrize("way", ["encode", "forward"])
def test_top_layer_of_tensorflow(shared: Path, folder: str, sentences_file: str, way: str) -> None:
    """Three streams of ten sentences, read side by side with the state carried on."""
    fixtures = shared / "fixtures" / folder
    streams = json.loads((fixtures / sentences_file).read_text("utf8"))
    lm = BiLM.from_pretrained(fixtures / "lm_weights.hdf5", initial_state="carry")
    expected = [h5py.File(fixtures / f"lm_embeddings_{k}.hdf5") for k in range(3)]
    for i in range(10):
        batch = [stream[i].split() for stream in streams]
        if way == "encode":
            tops = [layers[-1] for layers in lm.encode(batch)]
        else:
            with torch.no_grad():
                top = lm.forward(batch)[-1].numpy()
            tops = np.split(top, np.cumsum([len(words) for words in batch])[:-1])
        for k, found in enumerate(tops):
            golden = np.concatenate(expected[k][str(i)][...], axis=1)  # forward | backward
            assert furthest(found, golden) <= EMBEDDINGS


def test_token_layer_of_tensorflow(shared: Path) -> None:
    fixtures = shared / "fixtures/allennlp"
    words = (fixtures / "vocab_test.txt").read_text("utf8").split("\n")
    with h5py.File(fixtures / "elmo_token_embeddings.hdf5") as file:
        golden = file["embedding"][...]
    lm = BiLM.from_pretrained(fixtures / "lm_weights.hdf5")
    with torch.no_grad():
        found = lm.token_encoder(lm.token_encoder.word_ids(words)).numpy()
    assert furthest(found, golden) <= EMBEDDINGS
    layer0 = np.concatenate(lm.encode([words]), axis=1)[0]
    assert furthest(layer0, np.concatenate([golden, golden], axis=1)) <= EMBEDDINGS


def all_layers(path: Path) -> tuple[list[list[str]], list[int], list[np.ndarray]]:
    with np.load(path) as file:
        sentences = json.loads(bytes(file["sentences"]))
        sizes = file["batch_sizes"].tolist() if "batch_sizes" in file.files else [16]
        return sentences, sizes, [file[f"s{i}"] for i in range(len(sentences))]


def batches(sentences: list[list[str]], sizes: list[int]) -> Iterator[list[list[str]]]:
    start = 0
    while start < len(sentences):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        yield sentences[start : start + size]
        start += size


@pytest.mark.parametrize(
    ("golden", "initial_state"), [("all_layers_fresh", "zero"), ("all_layers_carry", "carry")]
)
@pytest.mark.parametrize("way", ["encode", "forward"])
def test_every_layer_of_allennlp(shared: Path, golden: str, initial_state: str, way: str) -> None:
    fixtures = shared / "fixtures/allennlp"
    sentences, sizes, expected = all_layers(fixtures / f"{golden}.npz")
    lm = BiLM.from_pretrained(fixtures / "lm_weights.hdf5", initial_state=initial_state)
    found: list[np.ndarray] = []
    for batch in batches(sentences, sizes):
        if way == "encode":
            found += lm.encode(batch)
        else:
            with torch.no_grad():
                rows = lm.forward(batch).numpy()
            found += np.split(rows, np.cumsum([len(words) for words in batch])[:-1], axis=1)
    assert len(found) == len(expected)
    for layers, layers_expected in zip(found, expected, strict=True):
        for layer in range(3):
            assert furthest(layers[layer], layers_expected[layer]) <= LAYERS


def test_a_state_that_is_not_carried_gives_other_numbers(shared: Path) -> None:
    """The goldens tell the two modes apart."""
    fixtures = shared / "fixtures/allennlp"
    sentences, _, expected = all_layers(fixtures / "all_layers_carry.npz")
    lm = BiLM.from_pretrained(fixtures / "lm_weights.hdf5", initial_state="zero")
    last = lm.encode(sentences)[-1]
    assert furthest(last[-1], expected[-1][-1]) > 100 * LAYERS
