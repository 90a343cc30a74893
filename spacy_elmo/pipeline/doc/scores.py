"""How surprising the words of a Doc are, out of its one array."""

from __future__ import annotations

import numpy as np
from spacy.tokens import Doc, Token

from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.alignment import token_row


def surprisal(token: Token, attribute: str) -> float | None:
    """How surprising a token is after the words before it in its sentence, in bits.

    It is minus the binary logarithm of its probability; one outside the vocabulary has that of
    `<UNK>`, a merged token the sum of its words', which is that of all of them. 0.0 for white
    space; None before `elmo` has run and when it was not kept.
    """
    return _surprisal(token, attribute, 0)


def surprisal_backward(token: Token, attribute: str) -> float | None:
    """How surprising a token is before the words after it in its sentence, in bits.

    As `surprisal`, and None of a forward-only model.
    """
    return _surprisal(token, attribute, 1)


def _surprisal(token: Token, attribute: str, direction: int) -> float | None:
    rows = storage.read(token.doc, attribute)
    if rows is None or "scores" not in rows or direction >= len(rows["scores"]):
        return None
    row = token_row(token, rows, "scores")
    return None if row is None else float(row[direction, 0])


def perplexity(doc: Doc, attribute: str) -> float | None:
    """The perplexity of a Doc, of both directions.

    It is 2 to the mean surprisal, the marks at the ends of its sentences included, as `spacy elmo
    evaluate` reports it (there "average"). A Doc that was cut has the ends that are left.

    None before `elmo` has run, when scores were not kept, and without a word.
    """
    rows = storage.read(doc, attribute)
    if rows is None or "scores" not in rows:
        return None
    words = rows["sentences"] >= 0
    if not words.any():
        return None
    means = []
    for values in rows["scores"].astype(np.float64):
        marks = values[:, 1][np.isfinite(values[:, 1])]
        means.append((values[words, 0].sum() + marks.sum()) / (words.sum() + len(marks)))
    with np.errstate(over="ignore"):  # an untrained model's may be beyond all numbers
        return float(np.exp2(np.mean(means)))
