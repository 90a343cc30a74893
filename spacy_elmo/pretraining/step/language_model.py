"""The biLM in training: a window through the layers of a direction, and the full softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.bilm.softmax import Softmax
from spacy_elmo.bilm.token_encoder import WordEmbedding
from spacy_elmo.bilm.walk import walk
from spacy_elmo.pretraining.step.buffers import Buffers
from spacy_elmo.pretraining.step.recurrence import run_window, run_window_fused

# Positions whose full softmax is computed at once: 25 MB of logits for 50,000 words.
POSITIONS_AT_ONCE = 128


@dataclass(frozen=True)
class LayerStates:
    """h and c of every layer of one direction.

    Attributes:
        h: *Shape:* (n_layers, P, rows).
        c: *Shape:* (n_layers, C, rows).
    """

    h: Tensor
    c: Tensor

    @classmethod
    def zero(cls, lm: BiLM, n_rows: int) -> LayerStates:
        """All zeros."""
        config = lm.config
        return cls(
            torch.zeros(config.n_layers, config.projection_dim, n_rows, device=lm.device),
            torch.zeros(config.n_layers, config.lstm_dim, n_rows, device=lm.device),
        )

    def kept(self, kept: Tensor) -> LayerStates:
        """With zeros in some rows.

        Args:
            kept: 1.0 or 0.0. *Shape:* (rows,).
        """
        return LayerStates(self.h * kept, self.c * kept)


def new_model(
    config: BiLMConfig, vocabulary: Sequence[str], *, tied: bool = False, seed: int = 0
) -> BiLM:
    """A biLM with a softmax, randomly initialised as bilm-tf does.

    Args:
        config: Sizes.
        vocabulary: Words of the softmax.
        tied: The softmax's weights are the word embedding.
        seed: Of the random weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        lm = BiLM(config, vocabulary)
        add_softmax(lm, tied=tied)
    return lm


def add_softmax(lm: BiLM, *, tied: bool = False) -> None:
    """Give a model a new softmax over its vocabulary."""
    assert lm.vocabulary is not None
    softmax = Softmax(len(lm.vocabulary), lm.config.projection_dim)
    softmax.reset_parameters()
    lm.softmax = softmax
    if tied:
        tie(lm)


def tie(lm: BiLM) -> None:
    """Make the word embedding the softmax's weights."""
    assert lm.softmax is not None
    assert isinstance(lm.token_encoder, WordEmbedding)
    lm.softmax.weight = lm.token_encoder.embedding


def tables(lm: BiLM) -> dict[str, nn.Parameter]:
    """The parameters of which a step touches some rows only: softmax and word embedding."""
    names = ("token_encoder.embedding", "softmax.weight", "softmax.bias")
    named = dict(lm.named_parameters())  # a tied softmax has no weights of its own here
    return {name: named[name] for name in names if name in named}


def dense_parameters(lm: BiLM) -> dict[str, nn.Parameter]:
    """All other parameters."""
    rows = tables(lm)
    return {name: value for name, value in lm.named_parameters() if name not in rows}


def run_direction(
    lm: BiLM,
    direction: int,
    inputs: Tensor,
    states: LayerStates,
    *,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
    buffers: Buffers | None = None,
) -> tuple[Tensor, LayerStates]:
    """Run the layers of a direction over a window.

    Args:
        lm: The model.
        direction: 0 forward, 1 backward.
        inputs: Token vectors. *Shape:* (steps, rows, P).
        states: The rows' states before the window.
        dropout: Share of values dropped from each layer's input and from the output, drawn anew at
            every step. As in bilm-tf a skip connection adds the dropped input.
        generator: What draws them.
        buffers: Memory that backward gives back; None: taken anew.

    Returns:
        The last layer's output, *Shape:* (steps * rows, P), and the states after the window.
    """
    drop = Dropout(dropout, generator)
    steps = walk(
        partial(_run_layer, buffers),
        lm.directions()[direction][1],
        inputs.transpose(1, 2),
        states.h,
        states.c,
        skip=lm.config.use_skip_connections,
        dropout=drop,
    )
    outputs, last_h, last_c = zip(*steps, strict=True)
    values = drop(outputs[-1])
    flat = values.transpose(1, 2).reshape(-1, lm.config.projection_dim)
    return flat, LayerStates(torch.stack(last_h), torch.stack(last_c))


def _run_layer(
    buffers: Buffers | None, layer: LSTMLayer, values: Tensor, h: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    weight, bias = layer.weight.to(values.dtype), layer.working_bias().to(values.dtype)
    projection = None if layer.projection is None else layer.projection.to(values.dtype)
    if values.is_cuda and layer.cell_clip is None and layer.proj_clip is None:
        return run_window_fused(values, h, c, weight, bias, projection)
    clips = layer.cell_clip, layer.proj_clip
    return run_window(values, h, c, weight, bias, projection, *clips, buffers)


class Dropout:
    """Dropout of a window, from a generator of its own: threads and restarts draw the same masks.

    Nor do these depend on how a layer lays out its output in memory: they are drawn along (steps,
    P, rows), but for the first layer's input, which stands in memory as (steps, rows, P).
    """

    def __init__(self, share: float, generator: torch.Generator | None) -> None:
        self.share = share
        self.generator = generator
        self.is_first = True

    def __call__(self, values: Tensor) -> Tensor:
        """Values with some of them zero, the others scaled up. *Shape:* (steps, P, rows)."""
        if self.share == 0.0:
            return values
        mask = torch.empty_like(values) if self.is_first else values.new_empty(values.shape)
        self.is_first = False
        mask.bernoulli_(1.0 - self.share, generator=self.generator)
        return values * mask.div_(1.0 - self.share)


@torch.no_grad()
def full_loss(softmax: Softmax, hidden: Tensor, targets: Tensor) -> Tensor:
    """Loss of each position with the full softmax, in nats.

    Args:
        softmax: The output layer.
        hidden: Outputs of the last LSTM layer. *Shape:* (positions, P).
        targets: Word ids. *Shape:* (positions,).
    """
    losses = []
    for start in range(0, len(hidden), POSITIONS_AT_ONCE):
        part = slice(start, start + POSITIONS_AT_ONCE)
        logits = torch.addmm(softmax.bias, hidden[part], softmax.weight.t())
        wanted = logits.gather(1, targets[part].unsqueeze(1))
        highest = logits.amax(dim=1, keepdim=True)
        total = logits.sub_(highest).exp_().sum(dim=1, keepdim=True)  # in place: it is large
        losses.append((total.log_() + highest - wanted).squeeze(1))
    return torch.cat(losses) if losses else hidden.new_zeros(0)
