"""CoarseWSD-20."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evaluation import encoders
from evaluation.coarsewsd import (
    evaluate_coarsewsd,
    macro,
    most_frequent_sense,
    nearest_senses,
    read_all,
)
from evaluation.encoders import Variant
from tests.evaluation.made_up import PLAIN, by_word_before


def test_coarsewsd_by_the_nearest_neighbour(wsd_folder: Path) -> None:
    data = read_all(wsd_folder)
    assert list(data) == ["bank"]
    assert most_frequent_sense(data) == {"bank": 0.5}
    assert evaluate_coarsewsd(by_word_before, data) == {PLAIN: {"bank": 1.0}}


def test_the_token_layer_is_the_most_frequent_sense(wsd_folder: Path, weights: str) -> None:
    data = read_all(wsd_folder)
    (encode,) = encoders.elmo_encoders(weights, None, [["some", "text"]])
    results = evaluate_coarsewsd(encode, data)
    assert results[Variant("random", "token layer", False)] == {"bank": 0.5}
    # Context tells the senses apart even to random weights: the sentences are the same.
    assert results[Variant("random", "layer 1", False)] == {"bank": 1.0}
    assert macro({"bank": 1.0, "apple": 0.0}) == 0.5


def test_the_nearest_known_vectors_vote() -> None:
    known = np.array([[1, 0], [0, 1], [0, 2], [0, 3]], np.float32)
    senses = np.array(["a", "b", "c", "c"])
    vectors = np.array([[2, 0], [0, 5], [1, 0.9]], np.float32)
    assert nearest_senses(vectors, known, senses).tolist() == ["a", "c", "a"]
