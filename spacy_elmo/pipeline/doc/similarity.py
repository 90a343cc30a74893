"""Cosines of the vectors of tokens, spans and docs, one by one and many at once."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.context import context
from spacy_elmo.pipeline.doc.values import vector
from spacy_elmo.types import Floats

# The attributes whose vectors were found not to compare.
_warned: set[str] = set()


VIEWS = ("token", "context")
"""What of a token is looked at: its own vector, or the states around it."""


def similarity(
    obj: Doc | Span | Token, other: Doc | Span | Token, attribute: str, *, view: str = "token"
) -> float:
    """Cosine of the vectors of two tokens, spans or docs; 0.0 with a zero vector.

    The vectors are centred first where the weights carry a mean vector.

    Args:
        obj: The one.
        other: The other.
        attribute: The `attribute` of the component.
        view: "token": their own vectors; "context": what stands around them, without their words,
            of tokens and spans. A component with context = true keeps it.

    Raises:
        ValueError: Before `elmo` has run on both, for a context that was not kept, and for an
            unknown view.
        TypeError: For another kind of object, and for the context of a Doc.
    """
    first, second = (_centred(each, attribute, view) for each in (obj, other))
    _check_widths(len(first), len(second))
    _warn_of_other_means([obj, other], attribute)
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    # Rounding may carry a cosine just beyond 1.
    return float(np.clip(first @ second / norms, -1.0, 1.0)) if norms else 0.0


def similarity_matrix(
    objects: Iterable[Doc | Span | Token],
    others: Iterable[Doc | Span | Token] | None = None,
    *,
    attribute: str = "elmo",
    view: str = "token",
) -> Floats:
    """Similarities of many tokens, spans or docs at once: what `elmo_similarity` gives for each.

    Args:
        objects: Tokens, spans or docs, of any Docs. The tokens of a Doc: the Doc itself.
        others: What to compare them with; None: with each other.
        attribute: The `attribute` of the component.
        view: "token" or "context", as for `elmo_similarity`.

    Returns:
        *Shape:* (n_objects, n_others).

    Raises:
        ValueError: Before `elmo` has run on all of them, for vectors of different widths, for a
            context that was not kept, and for an unknown view.
        TypeError: For another kind of object, and for the context of a Doc.
    """
    objects = list(objects)
    others = None if others is None else list(others)
    rows = _unit_rows(objects, attribute, view)
    columns = rows if others is None else _unit_rows(others, attribute, view)
    _warn_of_other_means([*objects, *(others or [])], attribute)
    if not len(rows) or not len(columns):
        return np.zeros((len(rows), len(columns)), dtype=np.float32)
    _check_widths(rows.shape[1], columns.shape[1])
    return np.clip(rows @ columns.T, -1.0, 1.0).astype(np.float32)


def _unit_rows(
    objects: Iterable[Any], attribute: str, view: str
) -> np.ndarray[Any, np.dtype[np.float64]]:
    vectors = [_centred(each, attribute, view) for each in objects]
    for each in vectors[1:]:
        _check_widths(len(vectors[0]), len(each))
    width = len(vectors[0]) if vectors else 0
    rows = np.array(vectors, dtype=np.float64).reshape(len(vectors), width)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, norms, out=rows, where=norms > 0)
    return rows


def _warn_of_other_means(objects: Iterable[Doc | Span | Token], attribute: str) -> None:
    """Warn, once, of vectors that are centred in different ways: by different models."""
    docs = {id(each.doc): each.doc for each in objects}
    if attribute in _warned or len(docs) < 2:
        return
    means = [_mean(doc, attribute) for doc in docs.values()]
    first = means[0]
    # Weights that were saved in float16 are the same model.
    if any(
        (each is None) != (first is None)
        or (each is not None and first is not None and not np.allclose(each, first, atol=0.01))
        for each in means[1:]
    ):
        _warned.add(attribute)
        warnings.warn(
            "vectors of different models are compared, or some are centred and others are not: "
            "such a similarity says nothing. Run one `elmo` component over all of the Docs",
            stacklevel=4,
        )


def _check_widths(first: int, second: int) -> None:
    if first != second:
        raise ValueError(
            f"vectors of width {first} and {second} cannot be compared: they come from "
            "different models"
        )


def _centred(obj: Any, attribute: str, view: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    if view not in VIEWS:
        raise ValueError(f"view is {view!r}: expected one of {', '.join(map(repr, VIEWS))}")
    if not isinstance(obj, (Doc, Span, Token)):
        raise TypeError(
            f"a {type(obj).__name__} has no vector in context: compare a Token, Span or Doc"
        )
    if view == "token":
        found = vector(obj, attribute)
    elif isinstance(obj, Doc):
        raise TypeError("nothing stands around a Doc: compare the contexts of tokens and spans")
    else:
        found = context(obj, attribute)
    if found is None and storage.read(obj.doc, attribute) is not None and view == "context":
        raise ValueError(
            f"the context of {obj!r} was not kept: set context = true in the config of the "
            "`elmo` component"
        )
    if found is None:
        raise ValueError(
            f"{obj!r} has no ELMo vectors: run a pipeline with the `elmo` component over its Doc "
            "first"
        )
    result = found.astype(np.float64)
    mean = _mean(obj.doc, attribute, "mean" if view == "token" else "context_mean")
    if mean is not None and result.any():
        result -= mean
    return result


def _mean(doc: Doc, attribute: str, item: str = "mean") -> Floats | None:
    rows = storage.read(doc, attribute)
    return None if rows is None else rows.get(item)
