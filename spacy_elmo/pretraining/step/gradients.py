"""One training step: the gradients of a batch, with the directions side by side.

The two directions share only the token layer and the softmax. On a CPU each runs in a thread of its
own with half of the cores, which beats one after the other with all of them: small products scale
badly over cores, and here nothing waits at a barrier within each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.inference.threads import run_side_by_side
from spacy_elmo.bilm.kernels import loader
from spacy_elmo.pretraining.batches.batches import TrainingBatch
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.step.buffers import Buffers
from spacy_elmo.pretraining.step.language_model import LayerStates, dense_parameters, run_direction
from spacy_elmo.pretraining.step.precision import TYPES, LossScale, autocast
from spacy_elmo.pretraining.step.sampled_softmax import sampled_loss

Result = TypeVar("Result")
# Vectors of some types, with the graph that made them, and which types these are.
Embedded = tuple[slice, Tensor]
# Chunks in which a thread runs the token layer, where PyTorch pads words to the longest of them.
CHUNKS = 4


@dataclass(frozen=True)
class StepGradients:
    """What a batch gives.

    Attributes:
        losses: Sum of the loss over the positions of each direction. *Shape:* (directions,).
        states: Each direction's state after the window.
        dense: Gradient of each parameter that is no table.
        rows: For each table, the distinct rows touched and their gradients.
    """

    losses: Tensor
    states: list[LayerStates]
    dense: dict[str, Tensor]
    rows: dict[str, tuple[Tensor, Tensor]]


class Stepper:
    """Computes the gradients of batches.

    Args:
        lm: The model.
        config: The training config.
        rank: Number of the process, which draws its own dropout.
    """

    def __init__(self, lm: BiLM, config: PretrainConfig, rank: int = 0) -> None:
        assert lm.softmax is not None
        self.lm = lm
        self.softmax = lm.softmax
        self.config = config
        self.rank = rank
        self.n_directions = lm.config.n_directions
        # Threads of PyTorch's for each direction, the same all through a training: its results
        # depend on it. None where the directions run one after the other.
        self.share: int | None = None
        if lm.device.type == "cpu" and self.n_directions > 1:
            self.share = max(1, torch.get_num_threads() // self.n_directions)
        # Windows of one shape find their memory again; sentences have many shapes.
        self.buffers = None if config.order == "sentences" else Buffers()
        self.dense = dense_parameters(lm)
        self.token_names = [name for name in self.dense if name.startswith("token_encoder.")]
        self.layer_names = [
            [name for name in self.dense if name.startswith(f"{direction}_layers.")]
            for direction in lm.config.directions
        ]
        # Gradients are added up as one long vector: in all processes they have this order.
        self.dense_order = [*chain.from_iterable(self.layer_names), *self.token_names]

    def __call__(
        self,
        batch: TrainingBatch,
        states: list[LayerStates],
        step: int,
        scale: LossScale | None = None,
    ) -> StepGradients:
        """Gradients of the mean over directions and positions of the loss.

        Args:
            batch: What to read.
            states: Of each direction before the window; used with `carry_state`.
            step: Number of the step, which seeds the dropout.
            scale: Scales the loss, for float16.
        """
        config = self.config
        if not batch.inputs.shape[2]:
            return self._nothing(batch, states)
        embedded = self._embed(batch.types)
        vectors = _joined(embedded, len(batch.types)).requires_grad_()
        weight = self.softmax.weight.detach().index_select(0, batch.words).requires_grad_()
        bias = self.softmax.bias.detach().index_select(0, batch.words).requires_grad_()
        factor: float | Tensor = 1.0 / (batch.n_positions * self.n_directions)
        if config.loss_times_unroll:
            factor *= config.unroll_steps
        if scale is not None:
            factor = scale.value * factor

        def run(direction: int) -> tuple[Tensor, LayerStates, tuple[Tensor, ...]]:
            if config.carry_state:
                before = states[direction].kept(batch.kept)
            else:
                before = LayerStates.zero(self.lm, batch.inputs.shape[2])
            hidden, after = run_direction(
                self.lm,
                direction,
                F.embedding(batch.inputs[direction], vectors).to(TYPES[config.precision]),
                before,
                dropout=config.dropout,
                generator=self._generator(step, direction),
                buffers=self.buffers,
            )
            if batch.places is not None:
                hidden = hidden[batch.places[direction]]
            loss = sampled_loss(
                hidden,
                weight,
                bias,
                batch.log_expected,
                batch.targets[direction],
                batch.n_negatives,
            )
            parameters = [self.dense[name] for name in self.layer_names[direction]]
            wanted = [vectors, weight, bias, *parameters]
            return loss.detach(), after, torch.autograd.grad(loss * factor, wanted)

        results = self._side_by_side(run, self.n_directions)
        shared = [sum_of([result[2][k] for result in results]) for k in range(3)]
        dense: dict[str, Tensor] = {}
        for names, (_, _, gradients) in zip(self.layer_names, results, strict=True):
            dense.update(zip(names, gradients[3:], strict=True))
        if self.token_names:
            dense.update(self._embed_backward(embedded, shared[0]))
        return StepGradients(
            torch.stack([result[0] for result in results]),
            [result[1] for result in results],
            dense,
            self._rows(batch, *shared),
        )

    def _nothing(self, batch: TrainingBatch, states: list[LayerStates]) -> StepGradients:
        """What a process gives that has no row of a batch: zeros, to be added to the others'."""
        vectors = self.softmax.weight.new_zeros(len(batch.types), self.lm.config.projection_dim)
        weight = torch.zeros_like(self.softmax.weight[batch.words])
        bias = torch.zeros_like(self.softmax.bias[batch.words])
        return StepGradients(
            bias.new_zeros(self.n_directions),
            states,
            {name: torch.zeros_like(self.dense[name]) for name in self.dense_order},
            self._rows(batch, vectors, weight, bias),
        )

    def _rows(
        self, batch: TrainingBatch, vectors: Tensor, weight: Tensor, bias: Tensor
    ) -> dict[str, tuple[Tensor, Tensor]]:
        rows = {"softmax.bias": (batch.words, bias)}
        if self.config.share_embedding_softmax:
            # Its batches list the same words as types and as rows of the softmax.
            rows["token_encoder.embedding"] = (batch.words, vectors + weight)
            return rows
        rows["softmax.weight"] = (batch.words, weight)
        if not self.token_names:
            rows["token_encoder.embedding"] = (batch.types, vectors)
        return rows

    def _generator(self, step: int, direction: int) -> torch.Generator | None:
        if not self.config.dropout:
            return None
        generator = torch.Generator(self.lm.device)
        seed = (self.config.seed * 1_000_003 + step) * 2 + direction
        return generator.manual_seed(seed + self.rank * 1_000_000_007)

    def _embed(self, types: Tensor) -> list[list[Embedded]]:
        """The token layer, its share of the types in each thread."""
        n_threads = 1 if self.share is None else self.n_directions
        n_chunks = CHUNKS if self.share is not None and loader.in_use() is None else 1

        def embed(thread: int) -> list[Embedded]:
            # Types stand from short to long: the shares are alike, and a chunk's are of like
            # length, so that it has little padding.
            shares = _strided(len(types), thread, n_threads, n_chunks)
            with autocast(self.lm.device, self.config.precision):
                return [(part, self.lm.token_encoder(types[part]).float()) for part in shares]

        return self._side_by_side(embed, n_threads)

    def _embed_backward(
        self, embedded: list[list[Embedded]], gradient: Tensor
    ) -> dict[str, Tensor]:
        parameters = [self.dense[name] for name in self.token_names]

        def back(thread: int) -> tuple[Tensor, ...]:
            parts, vectors = zip(*embedded[thread], strict=True)
            return torch.autograd.grad(vectors, parameters, [gradient[part] for part in parts])

        results = self._side_by_side(back, len([chunks for chunks in embedded if chunks]))
        summed = [sum_of(parts) for parts in zip(*results, strict=True)]
        return dict(zip(self.token_names, summed, strict=True))

    def _side_by_side(self, function: Callable[[int], Result], n: int) -> list[Result]:
        jobs = [partial(function, number) for number in range(n)]
        if self.share is None:
            return [job() for job in jobs]
        return run_side_by_side(jobs, share=self.share)


def sum_of(tensors: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Sum of tensors, always in the same order."""
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total


def _strided(n: int, start: int, step: int, n_chunks: int) -> list[slice]:
    """Every `step`th of n places from `start` on, in chunks of like size.

    >>> _strided(10, 1, 2, 2)
    [slice(1, 7, 2), slice(7, 13, 2)]
    """
    size = step * max(1, -(-n // (step * n_chunks)))
    return [slice(first, first + size, step) for first in range(start, n, size)]


def _joined(embedded: list[list[Embedded]], n_types: int) -> Tensor:
    """Vectors of all types, without their graph."""
    first = embedded[0][0][1]
    vectors = first.new_empty(n_types, first.shape[1])
    for part, values in chain.from_iterable(embedded):
        vectors[part] = values.detach()
    return vectors
