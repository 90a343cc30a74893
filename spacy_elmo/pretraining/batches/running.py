"""A prepared corpus as one running text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.pretraining.corpus.corpus import Corpus


class TextPositions:
    """All positions of all sentences in a row: n + 1 for a sentence of n words (see `packed`).

    Args:
        corpus: The corpus.

    Attributes:
        starts: Position of each sentence's boundary symbol, and the end of the last sentence.
        n_positions: Length of the text.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.starts = np.asarray(corpus.sentences) + np.arange(corpus.n_sentences + 1)
        self.n_positions = int(self.starts[-1])

    def find(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sentence, and place in it, of positions of the text, which repeats without end."""
        positions = positions % self.n_positions
        sentence = np.searchsorted(self.starts, positions, side="right") - 1
        return sentence, positions - self.starts[sentence]


def token_inputs(corpus: Corpus, types: NDArray[Any], *, words: bool) -> NDArray[np.int64]:
    """What the token layer reads for types: character ids, or word ids for word input."""
    table: NDArray[Any] = corpus.word_of_type if words else corpus.characters
    read: NDArray[np.int64] = table[types].astype(np.int64, copy=False)
    return read
