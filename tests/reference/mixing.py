"""The scalar mix (Peters et al. 2018, equation 1) with and without layer norm."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def scalar_mix(
    batch: Sequence[Array],
    weights: Array,
    gamma: float,
    layer_norm: Literal["bilm-tf", "allennlp"] | None = None,
    eps: float = 1e-12,
) -> list[Array]:
    """Mixes of a batch of sentences.

    Args:
        batch: Of each sentence its layers with `<S>` and `</S>`. *Shape:*
            (n_layers, n_words + 2, width).
        weights: Weights before the softmax.
        gamma: Scale of the whole.
        layer_norm: None, or whose statistics. One mean and one variance for each layer over all
            elements of the batch: without the boundary symbols (bilm-tf) or with them (AllenNLP).
        eps: Stands inside the root: 1e-12 in bilm-tf and AllenNLP 0.9, 1e-13 in AllenNLP 2.10.

    Returns:
        Of each sentence its mixed vectors without boundaries. *Shape:* (n_words, width).
    """
    shares = np.exp(weights - np.max(weights))
    shares = shares / shares.sum()
    mixed = [np.zeros(layers[0, 1:-1].shape) for layers in batch]
    for k, share in enumerate(shares):
        counted = [layers[k] if layer_norm == "allennlp" else layers[k, 1:-1] for layers in batch]
        everything = np.concatenate(counted)
        for sentence, layers in enumerate(batch):
            words = layers[k, 1:-1]
            if layer_norm:
                words = (words - everything.mean()) / np.sqrt(everything.var() + eps)
            mixed[sentence] += gamma * share * words
    return mixed
