"""User hooks: `.vector` and `.similarity` of a Doc, its spans and tokens from ELMo's vectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.pipeline.doc.attributes import register_attributes
from spacy_elmo.pipeline.doc.similarity import similarity
from spacy_elmo.pipeline.doc.storage import read
from spacy_elmo.pipeline.doc.values import vector
from spacy_elmo.types import Floats


def set_hooks(doc: Doc, *, attribute: str = "elmo") -> None:
    """Make a Doc, its spans and its tokens use the vectors that `elmo` put on it.

    This concerns `.vector`, `.has_vector`, `.vector_norm` and `.similarity`.

    It also registers the extension attributes, as `spacy_elmo.register_attributes` does.

    Hooks, unlike the vectors, do not survive `to_bytes`, `DocBin` or `nlp.pipe(n_process=2)`: call
    this on the Docs that come back.

    Args:
        doc: The Doc.
        attribute: The `attribute` of the component.

    Raises:
        ValueError: When `elmo` has not run on the Doc.
    """
    register_attributes(attribute)
    rows = read(doc, attribute)
    if rows is None:
        raise ValueError(
            "this Doc has no ELMo vectors: run a pipeline with the `elmo` component over it first"
        )
    width = rows["vectors"].shape[1]
    hooks: dict[str, Any] = {
        "vector": partial(_vector, attribute=attribute, width=width),
        "has_vector": partial(_has_vector, attribute=attribute),
        "vector_norm": partial(_vector_norm, attribute=attribute, width=width),
        # Without it spaCy answers 1.0 for equal words before it looks at vectors.
        "similarity": partial(similarity, attribute=attribute),
    }
    doc.user_hooks.update(hooks)
    doc.user_token_hooks.update(hooks)
    # A span's norm comes out of its vector; with a hook spaCy would give the vector itself.
    doc.user_span_hooks.update({k: v for k, v in hooks.items() if k != "vector_norm"})


def _vector(obj: Doc | Span | Token, attribute: str, width: int) -> Floats:
    # `Span.as_doc()` hands the hooks on to a Doc without the data: no vector is a zero vector.
    found = vector(obj, attribute)
    return np.zeros(width, dtype=np.float32) if found is None else found


def _has_vector(obj: Doc | Span | Token, attribute: str) -> bool:
    return vector(obj, attribute) is not None


def _vector_norm(obj: Doc | Token, attribute: str, width: int) -> float:
    return float(np.linalg.norm(_vector(obj, attribute, width)))
