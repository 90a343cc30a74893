"""Which sense is meant? Classifiers of vectors in closed form, in numpy.

Nothing is drawn at random and nothing iterates: the same examples give the same senses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.types import Floats, Ints

Scorer = Callable[[Floats], Floats]
"""Gives vectors, *Shape:* (n, width), a score for each sense, *Shape:* (n, n_senses): the higher,
the better."""

VIEWS = ("token", "context", "both")
NEIGHBOURS = 10
SHARPNESS = 10.0
RIDGE_PENALTY = 1.0
# Scores that differ by less are equal: the same numbers summed in another order.
_EQUAL = 1e-5


def unit(vectors: Floats) -> Floats:
    """Vectors at length 1; zeros, and what is no finite number, become zeros.

    *Shape:* (..., width).
    """
    clean = np.where(np.isfinite(vectors).all(axis=-1, keepdims=True), vectors, 0.0)
    lengths = np.sqrt((clean * clean).sum(axis=-1, keepdims=True))
    scaled: Floats = np.divide(clean, lengths, out=np.zeros_like(clean), where=lengths > 0)
    return scaled


def viewed(states: Floats, mean: Floats, view: str) -> Floats:
    """What the classifiers see of some occurrences: parts of length 1 after centring.

    Args:
        states: The top layer's states of the words, and those around them.
            *Shape:* (n, 2, width).
        mean: What is taken off both. *Shape:* (width,).
        view: "token", "context", or "both" side by side.

    Returns:
        *Shape:* (n, width), twice as wide for both.
    """
    scaled = unit(states - mean)
    if view == "both":
        return scaled.reshape(len(scaled), -1)
    return scaled[:, VIEWS.index(view)]


def ridge(vectors: Floats, numbers: Ints, n_senses: int) -> Scorer:
    """Least squares with an L2 penalty of `RIDGE_PENALTY`, each sense against the others.

    The answers are solved for in the examples (kernel form) or in the dimensions, whichever are
    fewer: that gives the same. A constant beside the vectors takes up how frequent each sense is.

    Args:
        vectors: The examples, as `viewed` gives them. *Shape:* (n, width).
        numbers: Their senses. *Shape:* (n,).
        n_senses: How many there are.
    """
    rows = _with_constant(vectors)
    targets = np.where(numbers[:, None] == np.arange(n_senses), 1.0, -1.0)
    n, width = rows.shape
    if n <= width:
        weights = rows.T @ np.linalg.solve(rows @ rows.T + RIDGE_PENALTY * np.eye(n), targets)
    else:
        inner = rows.T @ rows + RIDGE_PENALTY * np.eye(width)
        weights = np.linalg.solve(inner, rows.T @ targets)
    return lambda given: (_with_constant(given) @ weights).astype(np.float32)


def knn(vectors: Floats, numbers: Ints, n_senses: int) -> Scorer:
    """The `NEIGHBOURS` nearest examples vote, those as near as the last of them, too.

    A vote weighs exp(`SHARPNESS` * cosine); the score is the share of the votes.

    Args: as those of `ridge`.
    """
    votes = _one_hot(numbers, n_senses)
    known = unit(vectors)
    k = min(NEIGHBOURS, len(vectors))

    def score(given: Floats) -> Floats:
        cosines = unit(given) @ known.T
        last = np.partition(cosines, -k, axis=1)[:, -k, None]
        weights = np.where(cosines >= last - _EQUAL, np.exp(SHARPNESS * cosines), 0.0)
        found = weights @ votes
        shares: Floats = (found / found.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares

    return score


def centroid(vectors: Floats, numbers: Ints, n_senses: int) -> Scorer:
    """The cosine with the mean of the examples of each sense.

    Args: as those of `ridge`.
    """
    centres = unit((_one_hot(numbers, n_senses).T @ vectors).astype(np.float32))
    return lambda given: unit(given) @ centres.T


CLASSIFIERS: dict[str, Callable[[Floats, Ints, int], Scorer]] = {
    "ridge": ridge,
    "knn": knn,
    "centroid": centroid,
}


def choose(scores: Floats, counts: Ints) -> Ints:
    """The best sense of each; of several as good the most frequent, of those the first.

    A vector of zeros says nothing, and scores all senses alike for `knn` and `centroid`: so it
    gets the most frequent one.

    Args:
        scores: *Shape:* (n, n_senses).
        counts: How many examples each sense has. *Shape:* (n_senses,).

    Returns:
        The numbers of the senses. *Shape:* (n,).

    >>> choose(np.float32([[0.5, 0.5, 0.1], [0.1, 0.2, 0.9]]), np.array([1, 4, 9])).tolist()
    [1, 2]
    """
    best = scores >= scores.max(axis=1, keepdims=True) - _EQUAL
    chosen: Ints = np.where(best, counts, -1).argmax(axis=1)
    return chosen


def _one_hot(numbers: Ints, n_senses: int) -> NDArray[Any]:
    return np.eye(n_senses, dtype=np.float64)[numbers]


def _with_constant(vectors: Floats) -> NDArray[Any]:
    wide = np.ones((len(vectors), vectors.shape[1] + 1))
    wide[:, :-1] = vectors
    return wide
