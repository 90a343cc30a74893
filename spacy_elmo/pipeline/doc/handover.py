"""Layers on their way from `elmo` to the pipes that listen to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from spacy.tokens import Doc

from spacy_elmo.pipeline.doc.alignment import token_rows, token_sentences
from spacy_elmo.pipeline.doc.storage import Rows
from spacy_elmo.types import Floats, Ints


class DocLayers(NamedTuple):
    """The layers of a Doc's tokens.

    Attributes:
        values: Zeros for white space. *Shape:* (n_layers, n_tokens, width).
        sentences: Number of the sentence each token was read in, -1 for white space.
            *Shape:* (n_tokens,).
        edges: States of the LSTM layers at the ends of each sentence: forwards at `<S>`, backwards
            at `</S>`. For listeners that read the context.
            *Shape:* (n_layers - 1, n_directions, width / n_directions).
    """

    values: Any
    sentences: Ints
    edges: Any = None


class Handover:
    """Keeps the layers of a Doc until every listener has had them, or the Doc is gone.

    They are far larger than what a pipe makes of them, so they are neither part of the Doc nor
    saved with it.
    """

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Doc, tuple[Rows, Any, set[int]]] = WeakKeyDictionary()
        _everywhere.add(self)

    def __reduce__(self) -> tuple[type[Handover], tuple[()]]:
        return Handover, ()  # another process has other Docs

    def put(
        self, doc: Doc, rows: Rows, layers: Floats, edges: Any, listeners: Iterable[object]
    ) -> None:
        """Keep the layers of a Doc for some listeners.

        Args:
            doc: The Doc.
            rows: What else is known of its rows.
            layers: The layers. *Shape:* (n_layers, n_tokens, width).
            edges: As in `DocLayers`.
            listeners: Those that will ask for them, once each.
        """
        whole = Rows({**rows, "layers": layers})
        self._kept[doc] = (whole, edges, {id(listener) for listener in listeners})

    def take(self, doc: Doc, listener: object) -> DocLayers | None:
        """The layers of the tokens a Doc has now, or None. To be had once by each listener."""
        found = self._kept.get(doc)
        if found is None:
            return None
        rows, edges, waiting = found
        waiting.discard(id(listener))
        if not waiting:
            self._kept.pop(doc, None)
        values = token_rows(doc, rows, "layers")
        return None if values is None else DocLayers(values, token_sentences(doc, rows), edges)

    def drop(self, doc: Doc) -> None:
        """Keep nothing of a Doc any longer."""
        self._kept.pop(doc, None)

    def __len__(self) -> int:
        return len(self._kept)


_everywhere: WeakSet[Handover] = WeakSet()


def drop_everywhere(doc: Doc) -> None:
    """Drop the layers of a Doc that wait for listeners which may never come, disabled ones say."""
    for handover in list(_everywhere):
        handover.drop(doc)
