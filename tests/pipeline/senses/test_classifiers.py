"""The classifiers against their definitions, written down in another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.pipeline.senses.classifiers import (
    CLASSIFIERS,
    NEIGHBOURS,
    RIDGE_PENALTY,
    SHARPNESS,
    centroid,
    choose,
    knn,
    ridge,
    unit,
    viewed,
)


def data(
    n: int, width: int, n_senses: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Examples of all senses, and new vectors, all of length 1."""
    random = np.random.default_rng(seed)
    numbers = np.concatenate([np.arange(n_senses), random.integers(0, n_senses, n - n_senses)])
    vectors = unit(random.normal(size=(n + 7, width)).astype(np.float32))
    return vectors[:n], numbers, vectors[n:]


@pytest.mark.parametrize(("n", "width"), [(8, 20), (60, 5), (21, 20)])
def test_ridge_is_penalised_least_squares(n: int, width: int) -> None:
    vectors, numbers, new = data(n, width)
    # The penalty as further equations: sqrt(penalty) * weight = 0.
    rows = np.hstack([vectors, np.ones((n, 1))]).astype(np.float64)
    penalty = np.sqrt(RIDGE_PENALTY) * np.eye(width + 1)
    targets = np.full((n, 3), -1.0)
    targets[np.arange(n), numbers] = 1.0
    weights = np.linalg.lstsq(
        np.vstack([rows, penalty]), np.vstack([targets, np.zeros((width + 1, 3))]), rcond=None
    )[0]
    expected = np.hstack([new, np.ones((len(new), 1))]) @ weights
    np.testing.assert_allclose(ridge(vectors, numbers, 3)(new), expected, atol=1e-5)


@pytest.mark.parametrize("n", [4, 40])
def test_knn_counts_the_nearest(n: int) -> None:
    vectors, numbers, new = data(n, 6)
    expected = np.zeros((len(new), 3))
    for row, vector in zip(expected, new, strict=True):
        cosines = [float(vector @ other) for other in vectors]
        for k in sorted(range(n), key=lambda k: -cosines[k])[:NEIGHBOURS]:
            row[numbers[k]] += np.exp(SHARPNESS * cosines[k])
        row /= row.sum()
    np.testing.assert_allclose(knn(vectors, numbers, 3)(new), expected, atol=1e-5)


def test_knn_lets_all_that_are_as_near_vote() -> None:
    vectors = np.float32([[1, 0]] * (NEIGHBOURS + 2) + [[0, 1]])
    numbers = np.array([0] * 5 + [1] * (NEIGHBOURS - 3) + [0])
    scores = knn(vectors, numbers, 2)(np.float32([[1, 0]]))
    np.testing.assert_allclose(scores, [[5 / 12, 7 / 12]], atol=1e-6)


def test_centroid_is_the_cosine_with_the_mean() -> None:
    vectors, numbers, new = data(30, 6)
    means = np.stack([vectors[numbers == k].mean(axis=0) for k in range(3)])
    lengths = np.linalg.norm(new, axis=1)[:, None] * np.linalg.norm(means, axis=1)
    np.testing.assert_allclose(
        centroid(vectors, numbers, 3)(new), new @ means.T / lengths, atol=1e-5
    )


@pytest.mark.parametrize("name", CLASSIFIERS)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 30), st.integers(1, 12))
def test_the_order_of_the_examples_is_nothing(name: str, seed: int, n: int, width: int) -> None:
    vectors, numbers, new = data(n, width, seed=seed)
    order = np.random.default_rng(seed).permutation(n)
    first = CLASSIFIERS[name](vectors, numbers, 3)(new)
    second = CLASSIFIERS[name](vectors[order], numbers[order], 3)(new)
    np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_vector_of_zeros_gets_the_most_frequent_sense(name: str) -> None:
    vectors, numbers, _ = data(40, 6)
    numbers[5:35] = 1
    scores = CLASSIFIERS[name](vectors, numbers, 3)(np.zeros((1, 6), np.float32))
    assert choose(scores, np.bincount(numbers)).tolist() == [1]


def test_views() -> None:
    mean = np.float32([1, 2])
    states = np.float32([[[4, 6], [1, 2]], [[1, 7], [np.nan, 0]]])
    token, context, both = (viewed(states, mean, view) for view in ("token", "context", "both"))
    np.testing.assert_allclose(token, [[0.6, 0.8], [0, 1]], atol=1e-6)
    np.testing.assert_allclose(context, [[0, 0], [0, 0]])
    np.testing.assert_allclose(both, np.hstack([token, context]))
