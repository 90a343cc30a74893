"""The plain training step that ours is compared with: PyTorch's own modules and nothing clever.

The same network from `nn.LSTM(proj_size=...)` and plain autograd; types embedded once per batch;
the same sampled softmax, its gradients dense over the whole vocabulary; dense Adam.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.pretraining.batches.batches import TrainingBatch
from spacy_elmo.pretraining.config import PretrainConfig


class PlainTraining:
    """Trains a copy of a biLM the plain way.

    Args:
        lm: A model with a softmax and without clips.
        config: The training config.
    """

    def __init__(self, lm: BiLM, config: PretrainConfig) -> None:
        assert lm.softmax is not None
        self.skip = lm.config.use_skip_connections
        self.token_encoder = lm.token_encoder
        self.softmax = lm.softmax
        self.layers = nn.ModuleList(
            nn.ModuleList(_lstm(layer) for layer in layers) for _, layers in lm.directions()
        )
        modules = (self.token_encoder, self.softmax, self.layers)
        parameters = [value for module in modules for value in module.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=config.learning_rate)
        self.clip_norm = config.clip_norm
        self.parameters = parameters
        self.states: list[list[tuple[Tensor, Tensor] | None]] = [
            [None] * lm.config.n_layers for _ in range(lm.config.n_directions)
        ]

    def step(self, batch: TrainingBatch) -> float:
        """One step. Returns the mean loss."""
        vectors = self.token_encoder(batch.types)
        losses = []
        for direction, layers in enumerate(self.layers):
            values = vectors[batch.inputs[direction]]
            for number, layer in enumerate(layers):  # type: ignore[arg-type]
                outputs, (h, c) = layer(values, self.states[direction][number])
                self.states[direction][number] = (h.detach(), c.detach())
                values = outputs + values if number and self.skip else outputs
            hidden = values.reshape(-1, values.shape[2])
            losses.append(self._loss(hidden, batch, batch.targets[direction]))
        loss = torch.stack(losses).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        self.optimizer.step()
        return loss.item()

    def _loss(self, hidden: Tensor, batch: TrainingBatch, targets: Tensor) -> Tensor:
        negatives = batch.words[: batch.n_negatives]
        words = batch.words[targets]
        weight, bias, expected = self.softmax.weight, self.softmax.bias, batch.log_expected
        logits = hidden @ weight[negatives].t() + bias[negatives] - expected[: batch.n_negatives]
        hit = words.unsqueeze(1) == negatives
        logits = logits.masked_fill(hit, float("-inf"))
        target = (hidden * weight[words]).sum(1) + bias[words] - expected[targets]
        joined = torch.cat([target.unsqueeze(1), logits], dim=1)
        return F.cross_entropy(joined, torch.zeros_like(targets))


def _lstm(layer: nn.Module) -> nn.LSTM:
    """PyTorch's LSTM of the same sizes (its values do not matter for the time)."""
    width, cells = layer.projection_dim, layer.lstm_dim
    projected = layer.projection is not None
    return nn.LSTM(width, cells, proj_size=width if projected else 0)  # type: ignore[arg-type]
