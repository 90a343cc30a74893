"""Docs as sentences for the language model, and its rows back as rows of a Doc's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from spacy.tokens import Doc

from spacy_elmo.pipeline.doc.fed import fed_words
from spacy_elmo.pipeline.doc.tokens import token_facts
from spacy_elmo.types import Floats, Ints


@dataclass(frozen=True)
class DocSentences:
    """The sentences of a Doc as the language model reads them.

    White space is no word: the language model never sees it, and its row is zero.

    Attributes:
        numbers: Number of each token's sentence, -1 for white space. *Shape:* (n_tokens,).
        rows: The token that each word is. *Shape:* (n_words,).
        words: The sentences.
    """

    numbers: Ints
    rows: Ints
    words: list[list[str]]


def doc_sentences(doc: Doc, numbers: Ints | None = None, token_attr: str = "TEXT") -> DocSentences:
    """Split a Doc into sentences.

    Args:
        doc: The Doc.
        numbers: Number of each token's sentence; None: as the boundaries of the Doc say.
        token_attr: What stands for a word, see `fed_words`.

    Raises:
        ValueError: If lemmas are asked for and there are none.
    """
    numbers = sentence_numbers(doc) if numbers is None else numbers
    rows = np.flatnonzero(numbers >= 0)
    texts = fed_words(doc, token_attr)
    words: list[list[str]] = []
    previous = -1
    for row, sentence in zip(rows.tolist(), numbers[rows].tolist(), strict=True):
        if sentence != previous:
            words.append([])
            previous = sentence
        words[-1].append(texts[row])
    return DocSentences(numbers, rows, words)


def place(
    docs: Sequence[DocSentences], arrays: Sequence[Floats], shape: tuple[int, ...]
) -> list[Floats]:
    """One array for all tokens of each Doc, out of its sentences' arrays.

    Args:
        docs: The sentences of the Docs.
        arrays: Of the sentences of all Docs, in order. *Shape:* (..., n_words, width).
        shape: What goes before and after the tokens: (width,) or (n_layers, width).

    Returns:
        An array per Doc, zeros for white space. *Shape:* (..., n_tokens, width).
    """
    placed = []
    rest = iter(arrays)
    for doc in docs:
        whole = np.zeros((*shape[:-1], len(doc.numbers), shape[-1]), dtype=np.float32)
        start = 0
        for _ in doc.words:
            part = next(rest)
            end = start + part.shape[-2]
            whole[..., doc.rows[start:end], :] = part
            start = end
        placed.append(whole)
    return placed


def sentence_numbers(doc: Doc) -> Ints:
    """Number of each token's sentence by the boundaries of the Doc, -1 for white space.

    A Doc without any is one sentence. *Shape:* (n_tokens,).
    """
    facts = token_facts(doc, "IS_SPACE", "SENT_START")
    rows = np.flatnonzero(facts[:, 0] == 0)
    # A boundary may stand at a white space token, which is not fed: count them instead.
    boundaries = np.cumsum(facts[:, 1] == 1)[rows]
    numbers = np.full(len(doc), -1, dtype=np.int64)
    numbers[rows] = np.cumsum(np.diff(boundaries, prepend=boundaries[:1]) > 0)
    return numbers
