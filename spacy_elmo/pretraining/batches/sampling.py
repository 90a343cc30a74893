"""The words of a step's softmax: negatives drawn from the vocabulary, and the rows they make up.

The vocabulary is sorted by frequency. Negatives are drawn without repetition from the log-uniform
distribution P(k) = log((k + 2) / (k + 1)) / log(V + 1), as TensorFlow draws them; the logarithm of
the count with which a word was to be expected in the sample corrects its logit (Jean et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.bilm.scoring.prior import log_uniform_of


def draw_negatives(
    n_words: int, n_samples: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], int]:
    """Draw distinct words from the log-uniform distribution.

    Args:
        n_words: Words of the vocabulary.
        n_samples: Words to draw.
        random: What draws them.

    Returns:
        The words in the order of their first draw, and the number of draws it took, from which
        their expected counts follow.

    Raises:
        ValueError: When fewer words exist than are asked for.
    """
    if not 0 < n_samples <= n_words:
        raise ValueError(f"cannot draw {n_samples} different words from {n_words}")
    if n_samples == n_words:
        # Waiting for the last rare words would take very long; every one is certain to be there.
        return np.arange(n_words), 0
    drawn = np.empty(0, dtype=np.int64)
    log_range = np.log(n_words + 1)
    while True:
        fresh = np.exp(random.random(2 * n_samples) * log_range).astype(np.int64) - 1
        drawn = np.concatenate([drawn, np.minimum(fresh, n_words - 1)])
        words, first = np.unique(drawn, return_index=True)
        if len(words) >= n_samples:
            order = np.sort(first)[:n_samples]
            return drawn[order], int(order[-1]) + 1


def log_expected_counts(
    words: NDArray[np.int64], n_words: int, n_draws: int
) -> NDArray[np.float32]:
    """Logarithm of the expected count of words among distinct ones drawn `n_draws` times.

    `1 - (1 - p)^n`, computed without loss for small p. With `n_draws` of 0 (every word is in the
    sample) there is nothing to correct: zeros.
    """
    if n_draws == 0:
        return np.zeros(len(words), dtype=np.float32)
    expected = -np.expm1(n_draws * np.log1p(-log_uniform_of(words, n_words)))
    logs: NDArray[np.float64] = np.log(expected)
    return logs.astype(np.float32)


@dataclass(frozen=True)
class SampledRows:
    """The rows of the softmax one training step touches.

    Attributes:
        words: The negatives, then the other words. *Shape:* (n_rows,).
        n_negatives: How many of `words` are negatives.
        log_expected: Correction of each row's logit. *Shape:* (n_rows,).
        targets: Row of each target, an index into `words`; -1 where there is none.
            *Shape:* that of the targets given.
        row_of_word: Row of each word of the vocabulary, or -1. *Shape:* (V,).
    """

    words: NDArray[np.int64]
    n_negatives: int
    log_expected: NDArray[np.float32]
    targets: NDArray[np.int64]
    row_of_word: NDArray[np.int64]


def sample_rows(
    targets: NDArray[np.int64],
    n_words: int,
    n_samples: int,
    random: np.random.Generator,
    *,
    also: NDArray[np.int64] | None = None,
) -> SampledRows:
    """Draw the negatives of a step, one draw for all positions and both directions.

    Args:
        targets: Target words, of any shape; -1: no target.
        n_words: Words of the vocabulary.
        n_samples: Negatives to draw; all words: the full softmax.
        random: What draws them.
        also: Further words that must have a row.
    """
    negatives, n_draws = draw_negatives(n_words, n_samples, random)
    # The last place is for the target -1.
    row_of_word = np.full(n_words + 1, -1, dtype=np.int64)
    row_of_word[negatives] = np.arange(n_samples)
    needed = targets if also is None else np.concatenate([targets, also], axis=None)
    distinct = np.unique(needed[needed >= 0])
    others = distinct[row_of_word[distinct] < 0]
    row_of_word[others] = np.arange(n_samples, n_samples + len(others))
    words = np.concatenate([negatives, others])
    expected = log_expected_counts(words, n_words, n_draws)
    return SampledRows(words, n_samples, expected, row_of_word[targets], row_of_word[:-1])
