"""The fixed mix of layers that becomes a token's vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.types import Floats


class FixedMix:
    """Shares of the layers, for weights whose number of layers is not known yet.

    Args:
        layer_weights: Of each layer, the token layer first; scaled to a sum of 1. None: equal
            shares.
        gamma: Scale of the whole.

    Raises:
        ValueError: For shares that are negative, or all zero.
    """

    def __init__(self, layer_weights: Sequence[float] | None = None, gamma: float = 1.0) -> None:
        self.shares = None if layer_weights is None else [float(each) for each in layer_weights]
        self.gamma = float(gamma)
        if self.shares is not None and not (
            self.shares and 0 <= min(self.shares) < sum(self.shares)
        ):
            raise ValueError(
                f"layer_weights is {layer_weights!r}: expected one number per layer, none "
                "negative, not all zero"
            )

    def module(self, n_layers: int) -> ScalarMix:
        """As a module for the network.

        Raises:
            ValueError: When there are more or fewer shares than layers.
        """
        shares = [1.0] * n_layers if self.shares is None else self.shares
        if len(shares) != n_layers:
            raise ValueError(
                f"layer_weights has {len(shares)} numbers, but these weights have {n_layers} "
                "layers (the token layer counts)"
            )
        with np.errstate(divide="ignore"):
            # The mix takes a softmax: a share of 0 is a weight of minus infinity.
            logarithms = np.log(shares)
        mix = ScalarMix(n_layers, weights=logarithms.tolist(), gamma=self.gamma)
        return mix.requires_grad_(False)

    def weights(self, n_layers: int) -> Floats:
        """What each layer is multiplied by. *Shape:* (n_layers,)."""
        mix = self.module(n_layers)
        weights: Floats = (torch.softmax(mix.weights, 0) * mix.gamma).numpy()
        return weights
