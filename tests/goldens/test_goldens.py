"""Stored numbers of bilm-tf, AllenNLP and the oracle on tiny weights, from the file to the vector.

Each file of weights is laid out as bilm-tf lays it out, and read as a user's would be.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from spacy_elmo import BiLM
from spacy_elmo.bilm import ScalarMix
from spacy_elmo.bilm.kernels import loader
from spacy_elmo.pretraining.perplexity.exact import sentence_perplexity
from tests.goldens.cases import BATCHES, CASES, DATA, MIX_GAMMA, MIX_WEIGHTS, WITH_SOFTMAX
from tests.goldens.cases import VOCABULARY as WORDS

SENTENCES = [words for batch in BATCHES for words in batch]
# Of the vector's norm. All but the oracle have float32 noise of their own.
TOLERANCE = 1e-5

STORED = [file.stem for file in sorted(DATA.glob("*.npz"))]
ORIGINALS = [stem for stem in STORED if not stem.endswith("oracle")]

pytestmark = pytest.mark.usefixtures("one_thread")


def numbers(stem: str) -> dict[str, np.ndarray]:
    with np.load(DATA / f"{stem}.npz") as file:
        return dict(file)


def model(stem: str, initial_state: str = "zero") -> BiLM:
    name = next(name for name in CASES if stem.startswith(name))
    return BiLM.from_pretrained(DATA / f"{name}.hdf5", initial_state=initial_state)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    error = np.linalg.norm(found - expected, axis=-1)
    assert np.all(error <= TOLERANCE * np.linalg.norm(expected, axis=-1)), error.max()


def by_forward(lm: BiLM, batch: list[list[str]]) -> list[np.ndarray]:
    with torch.no_grad():
        rows = lm.forward(batch).numpy()
    return np.split(rows, np.cumsum([len(words) for words in batch])[:-1], axis=1)


def test_nothing_is_missing() -> None:
    """Every kind of weights, and both originals wherever they can read them."""
    assert {f"{name}_{origin}" for name in CASES for origin in ("oracle", "bilm_tf")} <= {*STORED}
    assert {"chars_allennlp", "three_layers_allennlp"} <= {*STORED}


@pytest.mark.parametrize("stem", STORED)
@pytest.mark.parametrize("way", ["encode", "without kernels", "forward"])
def test_from_zero(stem: str, way: str) -> None:
    expected, lm = numbers(stem), model(stem)
    if way == "forward":
        found = [by_forward(lm, [words])[0] for words in SENTENCES]
    elif way == "encode":
        found = lm.encode(SENTENCES)
    else:
        with loader.use(loader.OFF):
            found = lm.encode(SENTENCES)
    for number, layers in enumerate(found):
        assert_same(layers, expected[f"zero{number}"])


@pytest.mark.parametrize("stem", ORIGINALS)
@pytest.mark.parametrize("way", ["encode", "forward"])
def test_carried_on(stem: str, way: str) -> None:
    expected, lm = numbers(stem), model(stem, "carry")
    found: list[np.ndarray] = []
    for batch in BATCHES:
        found += lm.encode(batch) if way == "encode" else by_forward(lm, batch)
    for number, layers in enumerate(found):
        assert_same(layers, expected[f"carry{number}"])
    # The two kinds of numbers can be told apart.
    assert np.abs(expected["carry5"] - expected["zero5"])[1:].max() > 1e-3


@pytest.mark.parametrize("stem", ORIGINALS)
def test_layer_norm_and_mix(stem: str) -> None:
    """bilm-tf's statistics leave the boundaries out; AllenNLP's count them."""
    expected, lm, boundaries = numbers(stem), model(stem), stem.endswith("allennlp")
    batch = BATCHES[0]
    n_layers = lm.config.n_outputs
    mix = ScalarMix(n_layers, weights=MIX_WEIGHTS[:n_layers], gamma=MIX_GAMMA, layer_norm=True)
    with torch.no_grad():
        rows = mix(lm.forward(batch, boundaries=boundaries)).numpy()
    more = 2 if boundaries else 0
    found = np.split(rows, np.cumsum([len(words) + more for words in batch])[:-1])
    for number, vectors in enumerate(found):
        assert_same(vectors[1:-1] if boundaries else vectors, expected[f"mix{number}"])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("suffix", ["", ".hdf5"])
def test_warm_and_saved(name: str, suffix: str, tmp_path: Path) -> None:
    """From a state that text left; the same after the model was written and read."""
    expected, lm = numbers(f"{name}_oracle"), model(name)
    lm.initial_h, lm.initial_c = (torch.from_numpy(expected[f"initial_{k}"]) for k in "hc")
    lm.initial_state = "warm"
    lm.save(tmp_path / f"m{suffix}")
    again = BiLM.from_pretrained(tmp_path / f"m{suffix}")
    for found in (lm.encode(SENTENCES), again.encode(SENTENCES)):
        for number, layers in enumerate(found):
            assert_same(layers, expected[f"warm{number}"])


@pytest.mark.parametrize("name", WITH_SOFTMAX)
def test_distributions_and_perplexity(name: str, tmp_path: Path) -> None:
    expected, lm = numbers(f"{name}_oracle"), model(name)
    lm.save(tmp_path / "m")
    lm = BiLM.from_pretrained(tmp_path / "m")
    assert lm.softmax is not None
    losses: list[list[float]] = [[], []]
    for number, words in enumerate(SENTENCES):
        symbols = [
            WORDS.index(word) if word in WORDS else WORDS.index("<UNK>")
            for word in ["<S>", *words, "</S>"]
        ]
        with torch.no_grad():
            tops = lm.forward([words], boundaries=True)[-1].chunk(2, dim=-1)
            for direction, top in enumerate(tops):
                predicting = top[:-1] if direction == 0 else top[1:]
                found = torch.log_softmax(lm.softmax(predicting), dim=-1).numpy()
                right = expected[f"distributions{direction}_{number}"]
                assert_allclose(found, right, atol=1e-5, rtol=0)
                targets = symbols[1:] if direction == 0 else symbols[:-1]
                losses[direction] += [-float(row[k]) for row, k in zip(right, targets, strict=True)]
    measured = sentence_perplexity(lm, SENTENCES, initial_state="zero")
    assert_allclose(measured.directions, np.exp(np.mean(losses, axis=1)), rtol=1e-5)
