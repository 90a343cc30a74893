"""ELMo as a module for one's own PyTorch model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.bilm.sentences import Words


class ElmoEmbedding(nn.Module):
    """Contextual vectors of words, mixed (and projected) as a task learns it.

    Under autocast the language model computes in its own float type, mix and projection in that of
    autocast.

    Args:
        weights: Name or path of weights, or a `BiLM`, whose `requires_grad` is then set.
        frozen: Leave the language model as it is: its parameters get no gradients, and it runs on
            the fast path. What learns are the mixes and projections.
        n_mixes: How many mixes of the layers are learned, each with a projection of its own, as for
            the input and the output of a task's own recurrence.
        projection: Width of the vectors; None: that of the language model.
        dropout: Probability with which values of the mixed vectors are dropped in training.

    Attributes:
        bilm: The language model.
        mixes: A `ScalarMix` for each.
        projections: A linear layer for each, or nothing that changes anything.
        width: Of the vectors.

    Raises:
        WeightsError: If there are no such weights.
        ValueError: For numbers out of their range.
    """

    def __init__(
        self,
        weights: str | Path | BiLM,
        *,
        frozen: bool = True,
        n_mixes: int = 1,
        projection: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if n_mixes < 1:
            raise ValueError(f"n_mixes is {n_mixes}: expected at least 1")
        if projection is not None and projection < 1:
            raise ValueError(f"projection is {projection}: expected at least 1, or None")
        self.dropout = nn.Dropout(dropout)
        self.bilm = weights if isinstance(weights, BiLM) else BiLM.from_pretrained(weights)
        self.frozen = frozen
        self.bilm.requires_grad_(not frozen)
        config = self.bilm.config
        self.width = config.width if projection is None else projection
        self.mixes = nn.ModuleList(ScalarMix(config.n_outputs) for _ in range(n_mixes))
        self.projections = nn.ModuleList(
            nn.Identity() if projection is None else nn.Linear(config.width, projection)
            for _ in range(n_mixes)
        )
        device = self.bilm.device
        self.mixes.to(device)
        self.projections.to(device)

    def forward(self, sentences: Iterable[Words]) -> tuple[Tensor | list[Tensor], Tensor]:
        """Vectors of some sentences.

        Args:
            sentences: Lists of words.

        Returns:
            The vectors, zeros behind the end of each sentence, *Shape:* (n_sentences, n_tokens,
            width), or a list of them where `n_mixes` is more than 1; and where there are words,
            boolean, *Shape:* (n_sentences, n_tokens).

        Raises:
            ValueError: A sentence is a string, or holds something else than words.
        """
        gradients = not self.frozen and torch.is_grad_enabled()
        layers, mask = self.bilm.padded(sentences, gradients=gradients)
        inside = mask.unsqueeze(-1)
        vectors = [
            projection(self.dropout(mix(layers))) * inside
            for mix, projection in zip(self.mixes, self.projections, strict=True)
        ]
        return (vectors if len(vectors) > 1 else vectors[0]), mask

    def extra_repr(self) -> str:
        """What `print` says beside the modules."""
        return f"width={self.width}, frozen={self.frozen}"
