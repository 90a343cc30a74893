"""Make the weights in `data/` and what the oracle (`tests/reference`, float64) computes from them.

    .venv/bin/python -m tests.goldens.make

They are committed and not made again: if the oracle and the package drift together, they tell.
`bilm_tf.py` and `allennlp.py` add the numbers of the original implementations.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

import h5py
import numpy as np

from tests.goldens.cases import BATCHES, CASES, DATA, VOCABULARY, WITH_SOFTMAX
from tests.reference.elmo import ReferenceElmo
from tests.reference.output_layer import log_probabilities
from tests.reference.weights import random_weights


def weights_of(name: str) -> dict[str, np.ndarray]:
    """Random weights, large enough for the clips to fire."""
    given = CASES[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    n_words = None if "char_cnn" in given else len(VOCABULARY)
    made = random_weights(given, rng, n_words=n_words, lstm_scale=2.0)
    if name in WITH_SOFTMAX:
        made["softmax/W"] = rng.normal(0, 1, (len(VOCABULARY), 5)).astype(np.float32)
        made["softmax/b"] = rng.normal(0, 1, len(VOCABULARY)).astype(np.float32)
    return made


def oracle_numbers(name: str, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Layers from zero and from a state that text left; of a softmax all its distributions."""
    elmo = ReferenceElmo(weights, CASES[name], None if "char_cnn" in CASES[name] else VOCABULARY)
    sentences = [words for batch in BATCHES for words in batch]
    state = elmo.zero_state()
    for words in sentences:
        _, state = elmo.layers_with_boundaries(words, state)
    # The state is handed over in float32.
    h, c = (part.astype(np.float32).astype(np.float64) for part in state)
    found: dict[str, Any] = {"initial_h": h, "initial_c": c}
    for number, words in enumerate(sentences):
        found[f"zero{number}"] = elmo.layers(words)
        found[f"warm{number}"] = elmo.layers(words, (h, c))
        if name in WITH_SOFTMAX:
            layers, _ = elmo.layers_with_boundaries(words, elmo.zero_state())
            for direction, top in enumerate(np.split(layers[-1], 2, axis=-1)):
                predicting = top[:-1] if direction == 0 else top[1:]
                found[f"distributions{direction}_{number}"] = log_probabilities(
                    predicting, weights["softmax/W"], weights["softmax/b"]
                )
    return {key: value.astype(np.float32) for key, value in found.items()}


def main() -> None:
    DATA.mkdir(exist_ok=True)
    for name, given in CASES.items():
        weights = weights_of(name)
        with h5py.File(DATA / f"{name}.hdf5", "w", libver="latest") as file:
            for key, value in weights.items():
                file[key] = value
        (DATA / f"{name}_options.json").write_text(json.dumps(given, indent=2) + "\n", "utf8")
        if "char_cnn" not in given or name in WITH_SOFTMAX:
            words = "".join(f"{word}\n" for word in VOCABULARY)
            (DATA / f"{name}_vocab.txt").write_text(words, "utf8")
        np.savez(DATA / f"{name}_oracle.npz", **oracle_numbers(name, weights))


if __name__ == "__main__":
    main()
