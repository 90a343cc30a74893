"""What the language model says of occurrences: of the words themselves, and of what is around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spacy_elmo.bilm.context import Neighbours
from spacy_elmo.pipeline.doc.alignment import around
from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.model.around import by_direction
from spacy_elmo.pipeline.model.bilm import load
from spacy_elmo.types import Floats


def occurrence_states(ops: Any, doc: DocLayers, places: Sequence[tuple[int, int]]) -> Floats:
    """The top layer's states of some words, and those around them.

    Of a word of several tokens they are the mean over its tokens, and the states before its first
    and after its last one, as `span._.elmo_context`.

    Args:
        ops: Thinc's operations for the arrays.
        doc: The layers of the Doc.
        places: First token, and the token after the last, of each; none is white space alone.

    Returns:
        *Shape:* (n, 2, width).
    """
    top = top_states(ops, doc)
    edges: Floats = ops.to_numpy(doc.edges[-1])
    context = Neighbours(doc.sentences, len(edges)).gather(np, top, edges.reshape(-1))
    found = np.zeros((len(places), 2, top.shape[1]), dtype=np.float32)
    for row, (start, end) in zip(found, places, strict=True):
        words = start + np.flatnonzero(doc.sentences[start:end] >= 0)
        row[0] = top[words].mean(axis=0, dtype=np.float64)
        row[1] = around(by_direction(context[words], len(edges))).reshape(-1)
    return found


def top_states(ops: Any, doc: DocLayers) -> Floats:
    """The top layer's states of all tokens. *Shape:* (n_tokens, width)."""
    top: Floats = ops.to_numpy(doc.values[-1])
    return top


def top_edges(ops: Any, doc: DocLayers) -> Floats:
    """The top layer's states at the ends of sentences: they tell language models apart.

    *Shape:* (width,).
    """
    edges: Floats = ops.to_numpy(doc.edges[-1])
    return edges.reshape(-1)


def top_mean(listener: ElmoListener) -> Floats | None:
    """The mean of the top layer over running text, where the weights carry one.

    *Shape:* (width,).
    """
    if listener.layers:
        return load(listener.layers[0]).context_mean
    upstream = listener.upstreams.last
    return None if upstream is None else upstream.top_mean()
