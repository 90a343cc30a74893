"""The scalar mix of a listener, in Thinc's arrays: forward and backward.

`gamma * sum_l softmax(weights)_l * layer_l` (Peters et al. 2018, eq. 1). The layer norm, optional,
gives each layer of each sentence mean 0 and variance 1 over all its numbers. bilm-tf takes these
statistics over a whole batch; over a sentence, a vector does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from spacy_elmo.bilm.scalar_mix import LAYER_NORM_EPS
from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.types import Array


class MixGradients(NamedTuple):
    """Gradients of a mix.

    Attributes:
        weights: *Shape:* (n_layers,).
        gamma: *Shape:* (1,).
        layers: Per Doc, or None where nobody asked. *Shape:* (n_layers, n_tokens, width).
    """

    weights: Array
    gamma: Array
    layers: list[Array] | None


MixBackprop = Callable[[Sequence[Array], bool], MixGradients]


def mix_layers(
    ops: Any,
    docs: Sequence[DocLayers],
    weights: Array,
    gamma: Array,
    *,
    layer_norm: bool = False,
) -> tuple[list[Array], MixBackprop]:
    """Mix the layers of some Docs.

    Args:
        ops: Thinc's operations for the arrays.
        docs: The layers of each Doc.
        weights: Before the softmax. *Shape:* (n_layers,).
        gamma: Scale of the mix. *Shape:* (1,).
        layer_norm: Whether the layers are normalised first.

    Returns:
        The mixed vectors, *Shape:* (n_tokens, width) per Doc, and what gives gradients for
        theirs; its second argument says whether the layers' gradients are wanted.
    """
    xp = ops.xp
    shares = xp.exp(weights - weights.max())
    shares /= shares.sum()
    layers: list[Any] = [ops.asarray3f(doc.values) for doc in docs]
    backward: list[Callable[[Any], Any]] = []
    if layer_norm:
        for k, doc in enumerate(docs):
            layers[k], back = _normalise(xp, layers[k], doc.sentences)
            backward.append(back)
    means = [xp.tensordot(shares, each, axes=1) for each in layers]

    def backprop(gradients: Sequence[Array], for_layers: bool) -> MixGradients:
        d_shares = ops.alloc1f(len(shares))
        d_gamma = ops.alloc1f(1)
        d_layers: list[Any] = []
        for k, gradient in enumerate(gradients):
            d_gamma += (gradient * means[k]).sum()
            d_mean = gradient * gamma
            d_shares += xp.tensordot(layers[k], d_mean, axes=2)
            if for_layers:
                d_layer = shares[:, None, None] * d_mean
                d_layers.append(backward[k](d_layer) if layer_norm else d_layer)
        d_weights = shares * (d_shares - (shares * d_shares).sum())
        return MixGradients(d_weights, d_gamma, d_layers if for_layers else None)

    return [gamma * mean for mean in means], backprop


def _normalise(xp: Any, layers: Any, sentences: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Layer norm per layer and sentence; rows of white space stay zero."""
    normal = xp.zeros_like(layers)
    spread: dict[int, Any] = {}
    rows = {number: np.flatnonzero(sentences == number) for number in np.unique(sentences).tolist()}
    rows.pop(-1, None)
    for number, row in rows.items():
        part = layers[:, row]
        centred = part - part.mean(axis=(1, 2), keepdims=True)
        variance = (centred * centred).mean(axis=(1, 2), keepdims=True)
        spread[number] = xp.sqrt(variance + LAYER_NORM_EPS)
        normal[:, row] = centred / spread[number]

    def backprop(gradient: Any) -> Any:
        result = xp.zeros_like(gradient)
        for number, row in rows.items():
            d_normal, value = gradient[:, row], normal[:, row]
            centred = d_normal - d_normal.mean(axis=(1, 2), keepdims=True)
            along = (d_normal * value).mean(axis=(1, 2), keepdims=True)
            result[:, row] = (centred - value * along) / spread[number]
        return result

    return normal, backprop
