"""Vectors of occurrences, as they are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.values import vector, vectors
from spacy_elmo.visual.occurrences import is_content, place_of, window

Rows = np.ndarray[Any, np.dtype[np.float64]]

REACH = 8
"""Tokens on either side whose vectors tell what an occurrence is about."""


def unit_rows(objects: Sequence[Token | Span], attribute: str) -> Rows:
    """Vectors as similarity sees them: centred where the weights carry a mean, of length 1.

    *Shape:* (n_objects, width).

    Raises:
        ElmoError: Before `elmo` has run on all Docs, or where their vectors differ in width.
    """
    tables: dict[int, tuple[Any, Any]] = {}
    rows = []
    for each in objects:
        doc = each.doc
        if id(doc) not in tables:
            tables[id(doc)] = _table(doc, attribute)
        table, mean = tables[id(doc)]
        row = table[each.i] if isinstance(each, Token) else vector(each, attribute)
        row = np.asarray(row, dtype=np.float64)
        rows.append(row if mean is None or not row.any() else row - mean)
    if len({len(row) for row in rows}) > 1:
        raise ElmoError("the vectors of these Docs differ in width: they come from other models")
    return _unit(np.array(rows, dtype=np.float64).reshape(len(rows), -1))


def rows_in_context(
    objects: Sequence[Token | Span], rows: Rows, attribute: str, weight: float
) -> Rows:
    """Vectors by which the meanings of one word are told apart.

    The word's own vectors, and side by side with them, weighted, the mean of those of the content
    words around: these say what the text is about, which the vector of a word says too little of.

    Args:
        objects: The occurrences.
        rows: Their `unit_rows`.
        attribute: The `attribute` of the component.
        weight: Of the words around; 0: the own vectors alone.

    Returns:
        *Shape:* (n_objects, 2 * width), or (n_objects, width).
    """
    if not weight:
        return rows
    around = np.zeros_like(rows)
    sums: dict[int, Rows] = {}
    for k, each in enumerate(objects):
        doc = each.doc
        if id(doc) not in sums:
            sums[id(doc)] = _running_sums(doc, attribute)
        total = sums[id(doc)]
        (start, end), (first, last) = place_of(each), window(each, REACH)
        around[k] = total[last] - total[first] - (total[end] - total[start])
    return np.hstack([rows, weight * _unit(around)])


def _table(doc: Doc, attribute: str) -> tuple[Any, Any]:
    table, kept = vectors(doc, attribute), storage.read(doc, attribute)
    if table is None or kept is None:
        raise ElmoError(
            f"{doc[:8].text!r} has no ELMo vectors: run a pipeline with the `elmo` component over "
            "all of the Docs first"
        )
    return table, kept.get("mean")


def _running_sums(doc: Doc, attribute: str) -> Rows:
    """Sums of the unit rows of a Doc's content words up to each token.

    *Shape:* (n_tokens + 1, width).
    """
    table, mean = _table(doc, attribute)
    rows = table.astype(np.float64)
    rows = _unit(rows if mean is None else rows - mean)
    rows[[not is_content(token) for token in doc]] = 0.0
    return np.vstack([np.zeros_like(rows[:1]), rows.cumsum(axis=0)])


def _unit(rows: Rows) -> Rows:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    # What is left of a difference of sums that cancel out is rounding.
    unit: Rows = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 1e-9)
    return unit
