"""Tiny models with random weights, for all tests."""

from __future__ import annotations

import torch

from spacy_elmo.bilm import BiLM, BiLMConfig, CharCNNConfig

TINY_CNN = CharCNNConfig(embedding_dim=4, filters=((1, 4), (2, 8), (3, 8)), n_highway=1)


def tiny_lm(seed: int = 0, **changes: object) -> BiLM:
    """A biLM of 12 cells and projection 8, its weights at random and not small.

    Args:
        seed: Of the weights.
        changes: Other values of the config.
    """
    values = {"lstm_dim": 12, "projection_dim": 8, "char_cnn": TINY_CNN, **changes}
    torch.manual_seed(seed)
    lm = BiLM(BiLMConfig(**values))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.mul_(2.0).add_(torch.randn_like(parameter) * 0.1)
    return lm
