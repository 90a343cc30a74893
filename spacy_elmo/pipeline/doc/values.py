"""The vectors and layers of a Doc, Span or Token, out of the one array of the Doc."""

from __future__ import annotations

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.alignment import token_row, token_rows
from spacy_elmo.pipeline.doc.tokens import space_mask
from spacy_elmo.types import Floats


def vector(obj: Doc | Span | Token, attribute: str) -> Floats | None:
    """The mixed vector of a token, Span or Doc; None before `elmo` has run.

    Of a Span or Doc it is the mean over the non-space tokens, zeros if there are none.
    *Shape:* (width,).
    """
    rows = storage.read(obj.doc, attribute)
    if rows is None:
        return None
    if isinstance(obj, Token):
        return token_row(obj, rows, "vectors")
    vectors = token_rows(obj, rows, "vectors")
    if vectors is None:
        return None
    words = ~space_mask(obj)
    pooled = np.zeros(vectors.shape[1], dtype=np.float32)
    if words.any():
        pooled[:] = vectors[words].mean(axis=0, dtype=np.float64)
    pooled.flags.writeable = False
    return pooled


def vectors(obj: Doc | Span, attribute: str) -> Floats | None:
    """The mixed vectors of all tokens; None before `elmo` has run. *Shape:* (n_tokens, width)."""
    rows = storage.read(obj.doc, attribute)
    return None if rows is None else token_rows(obj, rows, "vectors")


def layers(obj: Doc | Span | Token, attribute: str) -> Floats | None:
    """All layers, the token layer first; None before `elmo` has run and when they were not kept.

    *Shape:* (n_layers, width) of a Token, (n_layers, n_tokens, width) of a Doc or Span.
    """
    rows = storage.read(obj.doc, attribute)
    if rows is None or "layers" not in rows:
        return None
    if isinstance(obj, Token):
        return token_row(obj, rows, "layers")
    return token_rows(obj, rows, "layers")
