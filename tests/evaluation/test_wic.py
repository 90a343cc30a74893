"""Word-in-Context."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluation.readers import read_wic
from evaluation.wic import best_threshold, evaluate_wic
from tests.evaluation.made_up import PLAIN, by_word_before


def test_wic_accuracy_is_that_of_the_cosines(wic_folder: Path) -> None:
    train = read_wic(wic_folder, "train")
    result = evaluate_wic(by_word_before, train, train)[PLAIN]
    # Only the second pair has a cosine of 1, and it is one of the two that differ.
    assert result.train == result.dev == 0.5
    result = evaluate_wic(by_word_before, train, [pair for pair in train if pair.same])[PLAIN]
    assert result.train == 0.5


@given(
    st.lists(
        st.tuples(st.sampled_from(np.linspace(-0.9, 0.9, 13).tolist()), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_no_threshold_is_better(items: list[tuple[float, bool]]) -> None:
    values = np.array([value for value, _ in items], np.float32)
    gold = np.array([truth for _, truth in items])
    best = ((values >= best_threshold(values, gold)) == gold).mean()
    for threshold in np.linspace(-1, 1, 81):
        assert best >= ((values >= threshold) == gold).mean()
