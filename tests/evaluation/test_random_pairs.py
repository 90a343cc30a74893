"""Random pairs of words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.encoders import Variant
from evaluation.random_pairs import mean_cosine, random_words
from evaluation.readers import Marked
from tests.evaluation.made_up import PLAIN


def test_random_words_differ() -> None:
    sentences = [["The", "bank", "the", "river", "!", "42"], ["Bank", "holiday"]]
    words = random_words(sentences, 4, seed=1)
    forms = [words[place].lower() for words, place in words]
    assert sorted(forms) == ["bank", "holiday", "river", "the"]
    assert words == random_words(sentences, 4, seed=1)
    with pytest.raises(ValueError, match="5 different words"):
        random_words(sentences, 5, seed=1)


def test_mean_cosine_of_pairs() -> None:
    def encode(marked: Sequence[Marked]) -> dict[Variant, NDArray[np.float32]]:
        return {PLAIN: np.array([[1, 0], [2, 0], [1, 0], [0, 3]], np.float32)}

    assert mean_cosine(encode, [Marked(["x"], 0)] * 4) == {PLAIN: (0.5, 0.5)}
