"""The character CNN as matrix products over windows, for a captured graph.

The same numbers as `bilm.token_encoder.CharCNN`, whose convolutions PyTorch would hand to cuDNN:
with 16 channels and thousands of short words one product per filter width over all windows is
faster, and the way back through the maximum touches one window per word and filter.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from spacy_elmo.bilm.token_encoder import CharCNN


def embed_types(cnn: CharCNN, characters: Tensor, dtype: torch.dtype) -> Tensor:
    """Embed words.

    Args:
        cnn: The token layer.
        characters: Character ids with their offset of 1, cut to the columns the words use and one
            window of padding. *Shape:* (n_words, n_columns).
        dtype: Float type of the products.

    Returns:
        One vector per word, float32. *Shape:* (n_words, projection_dim).
    """
    table = F.pad(cnn.char_embedding, (0, 0, 1, 0)).to(dtype)
    # By a product: the way back of an embedding would add into 262 rows one after the other.
    numbers = torch.arange(len(table), device=characters.device, dtype=characters.dtype)
    embedded = (characters.unsqueeze(-1) == numbers).to(dtype) @ table
    features = []
    for convolution in cnn.convolutions:
        (width,) = convolution.kernel_size
        windows = embedded.unfold(1, width, 1).flatten(2)
        weight = convolution.weight.flatten(1).to(dtype)
        found = (windows @ weight.t()).max(dim=1).values
        assert convolution.bias is not None
        features.append(found.float() + convolution.bias)
    activation = torch.relu if cnn.config.activation == "relu" else torch.tanh
    vectors = activation(torch.cat(features, dim=1))
    for highway in cnn.highways:
        gate = torch.sigmoid(_linear(highway.gate, vectors, dtype))
        transformed = torch.relu(_linear(highway.transform, vectors, dtype))
        vectors = torch.lerp(vectors, transformed, gate)
    return vectors if cnn.projection is None else _linear(cnn.projection, vectors, dtype)


def _linear(layer: torch.nn.Linear, values: Tensor, dtype: torch.dtype) -> Tensor:
    return (values.to(dtype) @ layer.weight.to(dtype).t()).float() + layer.bias
