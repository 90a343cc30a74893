"""The character CNN without gradients: the token layer's share of the fast path.

Same results as `CharCNN.forward` up to float32 rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from spacy_elmo.bilm.token_encoder import CharCNN, used_positions

# Words whose features are computed together: 128 rows of 1024 filters are 512 KB, so the running
# maximum stays in the cache.
ROWS = 128


def embed_words(encoder: CharCNN, ids: Tensor) -> Tensor:
    """Token-layer vectors of words, best of like length.

    Args:
        encoder: The token layer.
        ids: Character ids. *Shape:* (n_words, max_characters_per_token).

    Returns:
        *Shape:* (n_words, projection_dim).
    """
    table = F.pad(encoder.char_embedding, (0, 0, 1, 0))
    weights = [
        convolution.weight.permute(2, 1, 0).reshape(-1, convolution.out_channels)
        for convolution in encoder.convolutions
    ]
    bias = torch.cat([c.bias for c in encoder.convolutions if c.bias is not None])
    parts = [_features(encoder, table, weights, rows) for rows in torch.split(ids, ROWS)]
    vectors = torch.cat(parts).add_(bias)
    # The bias is the same at every position, so it may come after the maximum; the activations
    # grow with their argument, so they may too.
    vectors = vectors.relu_() if encoder.config.activation == "relu" else vectors.tanh_()
    for highway in encoder.highways:
        vectors = highway(vectors)
    return vectors if encoder.projection is None else encoder.projection(vectors)


def _features(encoder: CharCNN, table: Tensor, weights: list[Tensor], ids: Tensor) -> Tensor:
    """Largest product of each filter over all positions. *Shape:* (n_words, n_filters)."""
    config = encoder.config
    n_positions = used_positions(ids, max(width for width, _ in config.filters))
    depth = config.embedding_dim
    # A window of characters is a contiguous run of a word's embeddings: the product reads it where
    # it stands.
    characters = F.embedding(ids[:, :n_positions].long(), table).view(len(ids), -1)
    features = characters.new_empty(len(ids), config.n_filters)
    start = 0
    for weight, (width, number) in zip(weights, config.filters, strict=True):
        largest = torch.mm(characters[:, : width * depth], weight)
        product = torch.empty_like(largest)
        for position in range(1, n_positions - width + 1):
            window = characters[:, position * depth : (position + width) * depth]
            torch.maximum(largest, torch.mm(window, weight, out=product), out=largest)
        features[:, start : start + number] = largest
        start += number
    return features
