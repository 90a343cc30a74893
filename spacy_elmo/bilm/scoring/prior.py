"""The log-uniform distribution over a vocabulary that is sorted by frequency.

TensorFlow's sampler draws by it, P(k) = log((k + 2) / (k + 1)) / log(V + 1), and where nothing
counts the words it stands for how frequent they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def log_uniform(n_words: int) -> NDArray[np.float64]:
    """Probability of each word of a vocabulary sorted by frequency. *Shape:* (n_words,).

    >>> log_uniform(3).round(3).tolist()
    [0.5, 0.292, 0.208]
    """
    return log_uniform_of(np.arange(n_words), n_words)


def log_uniform_of(words: NDArray[np.int64], n_words: int) -> NDArray[np.float64]:
    """Probability of some words of such a vocabulary, by their numbers."""
    ids = words.astype(np.float64)
    probability: NDArray[np.float64] = np.log((ids + 2) / (ids + 1)) / np.log(n_words + 1)
    return probability
