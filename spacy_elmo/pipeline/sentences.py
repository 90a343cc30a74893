"""Docs as sentences for the language model, and its rows back as rows of a Doc's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from .facts import token_facts
from .storage import Floats


@dataclass(frozen=True)
class DocSentences:
    """The sentences of a Doc as the language model reads them.

    White space is no word: the language model never sees it, and its row is zero.

    n_tokens: Tokens of the Doc, white space included.
    words: The sentences. rows: The token that each word is. *Shape:* (n_words,).
    """

    n_tokens: int
    words: list[list[str]]
    rows: NDArray[np.int64]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Number of each token's sentence, -1 for white space. *Shape:* (n_tokens,)."""
        numbers = np.full(self.n_tokens, -1, dtype=np.int64)
        lengths = [len(words) for words in self.words]
        numbers[self.rows] = np.repeat(np.arange(len(lengths)), lengths)
        return numbers

    def place(self, parts: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
        """One array for all tokens out of the sentences' arrays.

        parts: Per sentence. *Shape:* (..., n_words, width).
        shape: What goes before and after the tokens: (width,) or (n_layers, width).

        Returns an array of its own. *Shape:* (..., n_tokens, width).
        """
        placed = np.zeros((*shape[:-1], self.n_tokens, shape[-1]), dtype=np.float32)
        start = 0
        for part in parts:
            end = start + part.shape[-2]
            placed[..., self.rows[start:end], :] = part
            start = end
        return placed


def doc_sentences(doc: Doc) -> DocSentences:
    """Split a Doc at its sentence boundaries; one without any is one sentence."""
    facts = token_facts(doc, "IS_SPACE", "SENT_START")
    words: list[list[str]] = []
    rows = np.flatnonzero(facts[:, 0] == 0)
    # A boundary may stand at a white space token, which is not fed: count them instead.
    sentence_of = np.cumsum(facts[:, 1] == 1)
    texts = [token.text for token in doc]
    previous = -1
    for row, sentence in zip(rows.tolist(), sentence_of[rows].tolist(), strict=True):
        if not words or sentence != previous:
            words.append([])
            previous = sentence
        words[-1].append(texts[row])
    return DocSentences(len(doc), words, rows)
