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


def docs_sentences(
    docs: Sequence[Doc], numbers: Sequence[Ints] | None = None, token_attr: str = "TEXT"
) -> list[DocSentences]:
    """Split Docs into sentences.

    Args:
        docs: The Docs.
        numbers: Number of each token's sentence, of each Doc; None: as the boundaries of the Docs
            say.
        token_attr: What stands for a word, see `fed_words`.

    Raises:
        ValueError: If lemmas are asked for and there are none.
    """
    numbers = docs_sentence_numbers(docs) if numbers is None else numbers
    return [
        _split(fed_words(doc, token_attr), each) for doc, each in zip(docs, numbers, strict=True)
    ]


def _split(texts: list[str], numbers: Ints) -> DocSentences:
    """The words of a Doc as sentences, which end wherever the number is another one."""
    rows = np.flatnonzero(numbers >= 0)
    if len(rows) < len(texts):
        texts = [texts[row] for row in rows.tolist()]
    of_words = numbers[rows]
    ends = (np.flatnonzero(of_words[1:] != of_words[:-1]) + 1).tolist()
    bounds = zip([0, *ends], [*ends, len(texts)], strict=True)
    return DocSentences(numbers, rows, [texts[start:end] for start, end in bounds if end])


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
        if len(doc.words) == 1 and len(doc.rows) == len(doc.numbers):
            part = next(rest)
            # One of an array of several is copied: it would keep the others alive.
            placed.append(part if part.base is None else part.copy())
            continue
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
    return docs_sentence_numbers([doc])[0]


def docs_sentence_numbers(docs: Sequence[Doc]) -> list[Ints]:
    """`sentence_numbers` of each Doc, in one go: a call for each array operation costs more."""
    if not docs:
        return []
    facts = np.concatenate([token_facts(doc, "IS_SPACE", "SENT_START") for doc in docs])
    lengths = [len(doc) for doc in docs]
    rows = np.flatnonzero(facts[:, 0] == 0)
    # A boundary may stand at a white space token, which is not fed: count them instead.
    boundaries = np.cumsum(facts[:, 1] == 1)[rows]
    of_doc = np.repeat(np.arange(len(docs)), lengths)[rows]
    is_first = np.diff(of_doc, prepend=-1) != 0
    opens = is_first | (np.diff(boundaries, prepend=0) != 0)
    in_all = np.cumsum(opens)
    before = np.maximum.accumulate(np.where(is_first, in_all, 0))  # of the Doc's first word
    numbers = np.full(len(facts), -1, dtype=np.int64)
    numbers[rows] = in_all - before
    return np.split(numbers, np.cumsum(lengths)[:-1])
