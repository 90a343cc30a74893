"""The character CNN as matrix products over windows, for a captured graph.

The same numbers as `bilm.token_encoder.CharCNN`, whose convolutions PyTorch would hand to cuDNN:
with 16 channels and thousands of short words one product per filter width over all windows is
faster, and the way back through the maximum touches one window per word and filter.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from spacy_elmo.bilm.config import CharCNNConfig


def embed_types(
    config: CharCNNConfig, weights: Mapping[str, Tensor], characters: Tensor, dtype: torch.dtype
) -> Tensor:
    """Embed words.

    Args:
        config: Sizes of the token layer.
        weights: Its parameters, by their names in `CharCNN`.
        characters: Character ids with their offset of 1, cut to the columns the words use and one
            window of padding. *Shape:* (n_words, n_columns).
        dtype: Float type of the products.

    Returns:
        One vector per word, float32. *Shape:* (n_words, projection_dim).
    """
    table = F.pad(weights["char_embedding"], (0, 0, 1, 0)).to(dtype)
    # By a product: the way back of an embedding would add into 262 rows one after the other.
    numbers = torch.arange(len(table), device=characters.device, dtype=characters.dtype)
    embedded = (characters.unsqueeze(-1) == numbers).to(dtype) @ table

    def linear(name: str, values: Tensor) -> Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return (values.to(dtype) @ weight.to(dtype).t()).float() + bias

    features = []
    for number, (width, _) in enumerate(config.filters):
        windows = embedded.unfold(1, width, 1).flatten(2)
        weight = weights[f"convolutions.{number}.weight"].flatten(1).to(dtype)
        found = (windows @ weight.t()).max(dim=1).values
        features.append(found.float() + weights[f"convolutions.{number}.bias"])
    activation = torch.relu if config.activation == "relu" else torch.tanh
    vectors = activation(torch.cat(features, dim=1))
    for number in range(config.n_highway):
        gate = torch.sigmoid(linear(f"highways.{number}.gate", vectors))
        transformed = torch.relu(linear(f"highways.{number}.transform", vectors))
        vectors = torch.lerp(vectors, transformed, gate)
    return linear("projection", vectors) if config.projection else vectors
