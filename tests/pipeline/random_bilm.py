"""Small language models with random weights."""

from __future__ import annotations

import torch

from spacy_elmo.bilm import BiLM, BiLMConfig, CharCNNConfig

WIDTH = 16
N_LAYERS = 3


def random_bilm(
    seed: int = 0, *, projection_dim: int = WIDTH // 2, n_layers: int = N_LAYERS - 1
) -> BiLM:
    """A language model whose layers differ and depend on context."""
    torch.manual_seed(seed)
    cnn = CharCNNConfig(embedding_dim=4, filters=((1, 4), (2, 8), (3, 12)), n_highway=1)
    lm = BiLM(
        BiLMConfig(
            lstm_dim=12, projection_dim=projection_dim, n_layers=n_layers, char_cnn=cnn, cell_clip=3
        )
    )
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.mul_(2)
    return lm
