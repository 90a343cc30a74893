"""The output layer of a language model, for training and scoring. Vectors do not need it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Softmax(nn.Module):
    """Softmax over a vocabulary; one for both directions, as in bilm-tf.

    `weight` is (V, P), `bias` (V,); row k belongs to line k of the vocabulary.

    Args:
        n_words: Words of the vocabulary (V).
        projection_dim: Width of a direction's output (P).
    """

    def __init__(self, n_words: int, projection_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_words, projection_dim))
        self.bias = nn.Parameter(torch.empty(n_words))

    def reset_parameters(self) -> None:
        """Initialise as bilm-tf does (training.py, `_build_loss`)."""
        nn.init.normal_(self.weight, 0.0, 1.0 / math.sqrt(self.weight.shape[1]))
        nn.init.zeros_(self.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Log probabilities. *Shape:* (n_rows, P) to (n_rows, V)."""
        return torch.log_softmax(torch.addmm(self.bias, hidden, self.weight.t()), dim=1)
