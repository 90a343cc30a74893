"""What the language model says of Docs: vectors, layers, and what is around each token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from thinc.api import torch2xp, xp2torch

from spacy_elmo.pipeline.doc.sentences import DocSentences, place
from spacy_elmo.pipeline.model.around import NOTHING_AROUND, Around, read_around
from spacy_elmo.pipeline.model.loaded import LoadedBiLM
from spacy_elmo.types import Array, Floats, Ints


class Backprop(Protocol):
    """Takes the gradients of what a batch was given, and sends them through the network."""

    def __call__(self, gradients: Sequence[Array], edges: Array | None = None) -> None:
        """Go back.

        Args:
            gradients: Of each Doc's layers, or vectors.
            edges: Of the edges, if anybody asked for these. *Shape:* as in `DocLayers`.
        """


class Output(NamedTuple):
    """What the language model says of a Doc.

    Attributes:
        vectors: Mixed vectors, zeros for white space. *Shape:* (n_tokens, width).
        layers: All layers where they were asked for, zeros for white space.
            *Shape:* (n_layers, n_tokens, width).
        sentences: Number of the sentence each token was read in, -1 for white space.
            *Shape:* (n_tokens,).
        edges: Beside the layers, states at the ends of each sentence, as in `DocLayers`.
        around: What the states around each token say, where that was asked for.
    """

    vectors: Array
    layers: Array | None
    sentences: Ints
    edges: Array | None = None
    around: Around = NOTHING_AROUND


def mixed_vectors(
    loaded: LoadedBiLM, read: Sequence[DocSentences], words: list[list[str]], around: bool
) -> list[Output]:
    """Outputs of Docs without their layers, which are never all there at once.

    Args:
        loaded: The language model.
        read: The sentences of the Docs.
        words: All of them, one after the other.
        around: Whether what is around each token is wanted, too.
    """
    shape = (loaded.width,)
    tops: list[Floats] = []
    if around:
        both = loaded.vectors_and_top(words)
        vectors, tops = (place(read, [each[k] for each in both], shape) for k in range(2))
    else:
        vectors = place(read, loaded.vectors(words), shape)
    outputs = [Output(v, None, each.numbers) for v, each in zip(vectors, read, strict=True)]
    return with_around(loaded, read, outputs, tops, around)


def with_around(
    loaded: LoadedBiLM,
    read: Sequence[DocSentences],
    outputs: list[Output],
    tops: Sequence[Floats],
    around: bool,
) -> list[Output]:
    """The outputs with what is around each token, if that is wanted.

    Args:
        loaded: The language model.
        read: The sentences of the Docs.
        outputs: Of the Docs.
        tops: States of the top layer. *Shape:* (n_tokens, width).
        around: Whether it is wanted.
    """
    if not around:
        return outputs
    found = read_around(loaded, read, tops)
    return [each._replace(around=this) for each, this in zip(outputs, found, strict=True)]


def mixed(
    xp: Any,
    weights: Array,
    values: Sequence[Array],
    read: Sequence[DocSentences],
    edges: Array | None,
) -> list[Output]:
    """Outputs of Docs out of their layers.

    Args:
        xp: The array library.
        weights: What each layer is multiplied by. *Shape:* (n_layers,).
        values: The layers of each Doc. *Shape:* (n_layers, n_tokens, width).
        read: The sentences of the Docs.
        edges: As in `DocLayers`, if the layers are to be a part of the outputs.
    """
    return [
        Output(
            xp.tensordot(weights, layers, axes=1),
            None if edges is None else layers,
            each.numbers,
            edges,
        )
        for layers, each in zip(values, read, strict=True)
    ]


def with_gradients(
    ops: Any, loaded: LoadedBiLM, read: Sequence[DocSentences], keep_layers: bool
) -> tuple[list[Output], Backprop]:
    """Outputs of Docs, and what takes the gradients of their layers, or else of their vectors.

    Args:
        ops: Thinc's operations for the arrays.
        loaded: The language model.
        read: The sentences of the Docs.
        keep_layers: Whether the layers are a part of the outputs.
    """
    weights = ops.asarray1f(loaded.mix_weights)
    words = [sentence for each in read for sentence in each.words]
    shapes = [(loaded.n_layers, len(each.numbers), loaded.width) for each in read]
    values = [ops.alloc3f(*shape) for shape in shapes]
    if not words:
        edges = ops.asarray3f(loaded.edges) if keep_layers else None
        return mixed(ops.xp, weights, values, read, edges), lambda gradients, edges=None: None
    tensor, edge_tensor, backprop_tensor = loaded.begin_layers(words)
    flat: Any = torch2xp(tensor, ops=ops)
    start = 0
    for layers, each in zip(values, read, strict=True):
        end = start + len(each.rows)
        layers[:, each.rows] = flat[:, start:end]
        start = end

    def backprop(gradients: Sequence[Array], edges: Array | None = None) -> None:
        if not keep_layers:
            gradients = [weights[:, None, None] * gradient for gradient in gradients]
        rows = [gradient[:, each.rows] for each, gradient in zip(read, gradients, strict=True)]
        gradient = ops.xp.ascontiguousarray(ops.xp.concatenate(rows, axis=1), dtype="float32")
        of_edges = None if edges is None else xp2torch(edges, device=tensor.device)
        backprop_tensor(xp2torch(gradient, device=tensor.device), of_edges)

    found: Any = torch2xp(edge_tensor, ops=ops) if keep_layers else None
    return mixed(ops.xp, weights, values, read, found), backprop
