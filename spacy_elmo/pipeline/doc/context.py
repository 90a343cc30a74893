"""The states around the tokens and spans of a Doc, out of its one array."""

from __future__ import annotations

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.alignment import around, token_row, token_rows
from spacy_elmo.pipeline.doc.tokens import space_mask
from spacy_elmo.types import Floats


def context(obj: Span | Token, attribute: str) -> Floats | None:
    """The states around a token or span: what is said before and after it, without its words.

    It is the top layer's forward state of the word before, or of `<S>`, and beside it the backward
    state of the word after, or of `</S>`. Around a span it is the first half of its first word's
    and the second half of its last one's, whatever sentences lie in it.

    Args:
        obj: The token or span.
        attribute: The `attribute` of the component.

    Returns:
        *Shape:* (width,); zeros for white space. None before `elmo` has run and when it was not
        kept.
    """
    rows = storage.read(obj.doc, attribute)
    if rows is None or "context" not in rows:
        return None
    if isinstance(obj, Token):
        row = token_row(obj, rows, "context")
        return None if row is None else row.reshape(-1)
    halves = token_rows(obj, rows, "context")
    if halves is None:
        return None
    words = ~space_mask(obj)
    n_directions, _, half = halves.shape
    found = np.zeros(n_directions * half, dtype=np.float32)
    if words.any():
        found[:] = around(halves[:, words]).reshape(-1)
    found.flags.writeable = False
    return found


def contexts(obj: Doc | Span, attribute: str) -> Floats | None:
    """The states around each token of a Doc or span, as `context` gives them for one.

    *Shape:* (n_tokens, width).
    """
    rows = storage.read(obj.doc, attribute)
    halves = None if rows is None or "context" not in rows else token_rows(obj, rows, "context")
    if halves is None:
        return None
    found = np.concatenate(list(halves), axis=-1)
    found.flags.writeable = False
    return found
