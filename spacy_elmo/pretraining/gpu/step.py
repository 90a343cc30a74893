"""One training step on the device: from the number of a window to updated weights.

Nothing in it waits for the host, and all shapes are fixed, so that a GPU runs it as one captured
graph. The two directions run in a stream each: products of one beside the elementwise work of the
other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.bilm.token_encoder import CharCNN
from spacy_elmo.bilm.walk import walk
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.gpu.distinct import SHORT, DistinctTypes
from spacy_elmo.pretraining.gpu.layer import run_layer
from spacy_elmo.pretraining.gpu.sampled_softmax import Negatives, sampled_gradients
from spacy_elmo.pretraining.gpu.stream import EpochStream
from spacy_elmo.pretraining.gpu.token_layer import embed_types
from spacy_elmo.pretraining.step.language_model import tables
from spacy_elmo.pretraining.step.precision import TYPES


class DeviceStep:
    """Everything a step reads and writes, in memory that stays where it is.

    Args:
        lm: The model, on the device.
        config: The training config.
        stream: The text.
        distinct: Numbers a window's types.
        characters: Character ids of every type, uint8 or int16 to save memory. *Shape:*
            (n_types, n_columns).

    Attributes:
        window: Number of the window to read, on the device; a step adds one. *Shape:* ().
        rate: Learning rate, on the device. *Shape:* ().
        losses: Loss of the last step summed over the positions of each direction. *Shape:*
            (directions,).
        norm: Global norm of its gradients before clipping. *Shape:* ().
        h, c: State of all rows. *Shape:* (directions, n_layers, rows, P) and with C for P.
        optimizer: AdamW over all parameters. Unlike the CPU's training it moves all rows of the
            softmax in every step: with thousands of rows a batch nearly all are touched anyway.
    """

    def __init__(
        self,
        lm: BiLM,
        config: PretrainConfig,
        stream: EpochStream,
        distinct: DistinctTypes,
        characters: Tensor,
    ) -> None:
        assert lm.softmax is not None
        assert isinstance(lm.token_encoder, CharCNN)
        device = lm.device
        self.lm, self.softmax, self.cnn = lm, lm.softmax, lm.token_encoder
        self.config, self.stream, self.distinct = config, stream, distinct
        self.characters = characters
        self.dtype = TYPES[config.precision]
        sizes = config.model
        self.n_directions = sizes.n_directions
        rows, shape = config.batch_size, (sizes.n_directions, sizes.n_layers)
        self.h = torch.zeros(*shape, rows, sizes.projection_dim, dtype=self.dtype, device=device)
        self.c = torch.zeros(*shape, rows, sizes.lstm_dim, device=device)
        self.window = torch.zeros((), dtype=torch.int64, device=device)
        self.rate = torch.zeros((), device=device)
        self.losses = torch.zeros(self.n_directions, device=device)
        self.norm = torch.zeros((), device=device)
        self.n_positions = rows * config.unroll_steps
        self.negatives = Negatives(len(self.softmax.bias), config.n_negative_samples, device)
        self.parameters = list(lm.parameters())
        self.optimizer = self._optimizer()
        self.streams = (
            [torch.cuda.Stream(device) for _ in range(self.n_directions)]  # type: ignore[no-untyped-call]
            if device.type == "cuda"
            else []
        )

    def _optimizer(self) -> torch.optim.AdamW:
        config, on_gpu = self.config, self.lm.device.type == "cuda"
        still = set(tables(self.lm).values())
        decayed = [p for p in self.parameters if p.dim() > 1 and p not in still]
        chosen = set(decayed)
        others = [p for p in self.parameters if p not in chosen]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(
            groups,
            lr=self.rate,
            betas=(config.beta1, config.beta2),
            eps=config.epsilon,
            capturable=on_gpu,
            fused=on_gpu,
            foreach=None if on_gpu else False,
        )

    def __call__(self) -> None:
        """Take a step: read the window `self.window`, update the weights at `self.rate`."""
        inputs, targets = self.stream.window(self.window)
        types, places = self.distinct(inputs)
        # Leaves are made anew: what autograd keeps of a parameter belongs to the stream in which it
        # was first used, and a capture may not wait for that one.
        token_weights = _leaves(self.cnn.named_parameters())
        vectors = self._embed(types, token_weights)
        drawn = self.negatives.draw()
        weight = self.softmax.weight.detach().to(self.dtype)
        found = []
        for direction in range(self.n_directions):
            with self._beside(direction):
                found.append(
                    self._direction(
                        direction,
                        vectors.detach(),
                        places[direction],
                        targets[direction],
                        weight,
                        drawn,
                    )
                )
        for stream in self.streams:
            torch.cuda.current_stream().wait_stream(stream)
        d_vectors, d_weight, d_bias = (
            torch.stack([parts[k] for parts in found]).sum(0) for k in range(3)
        )
        gradients = torch.autograd.grad(vectors, list(token_weights.values()), d_vectors)
        for parameter, gradient in zip(self.cnn.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self.softmax.weight.grad, self.softmax.bias.grad = d_weight, d_bias
        self._clip()
        self.optimizer.step()
        self.window += 1

    def _embed(self, types: Tensor, weights: dict[str, Tensor]) -> Tensor:
        room, config = self.distinct.capacity, self.cnn.config
        characters = self.characters[types].to(torch.int16)
        short = embed_types(config, weights, characters[: room.short, :SHORT], self.dtype)
        long = embed_types(config, weights, characters[room.short :], self.dtype)
        return torch.cat([short, long])

    def _direction(
        self,
        direction: int,
        vectors: Tensor,
        places: Tensor,
        targets: Tensor,
        softmax_weight: Tensor,
        drawn: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Forward and backward of a direction.

        Sets the gradients of its layers, and returns those of the token vectors and of the
        softmax's weight and bias.
        """
        config, dtype = self.config, self.dtype
        factor = 1.0 / (self.n_positions * self.n_directions)
        if config.loss_times_unroll:
            factor *= config.unroll_steps
        vectors = vectors.detach().requires_grad_()
        read = vectors.to(dtype).index_select(0, places.reshape(-1))
        layers = self.lm.directions()[direction][1]
        weights: list[Tensor] = []

        def recurrence(
            layer: LSTMLayer, values: Tensor, h: Tensor, c: Tensor
        ) -> tuple[Tensor, Tensor, Tensor]:
            assert layer.projection is not None
            given = (layer.weight, layer.working_bias(), layer.projection)
            leaves = [value.detach().to(dtype).requires_grad_() for value in given]
            weights.extend(leaves)
            return run_layer(values, h, c, *leaves)

        steps = walk(
            recurrence,
            layers,
            read.view(*places.shape, -1),
            self.h[direction],
            self.c[direction],
            skip=config.model.use_skip_connections,
            dropout=self._drop,
        )
        outputs, last_h, last_c = zip(*steps, strict=True)
        hidden = self._drop(outputs[-1]).flatten(0, 1)
        loss, d_hidden, d_weight, d_bias = sampled_gradients(
            hidden.detach(),
            softmax_weight,
            self.softmax.bias.detach(),
            self.negatives,
            drawn,
            targets.reshape(-1),
            factor,
        )
        parameters = [p for layer in layers for p in (layer.weight, layer.bias, layer.projection)]
        d_vectors, *gradients = torch.autograd.grad(hidden, [vectors, *weights], d_hidden)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            assert parameter is not None
            parameter.grad = gradient.float()
        self.h[direction].copy_(torch.stack(last_h))
        self.c[direction].copy_(torch.stack(last_c))
        self.losses[direction].copy_(loss)
        return d_vectors, d_weight, d_bias

    def _drop(self, values: Tensor) -> Tensor:
        return F.dropout(values, self.config.dropout) if self.config.dropout else values

    def _clip(self) -> None:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        self.norm.copy_(torch.nn.utils.get_total_norm(gradients, foreach=True))
        if self.config.clip_norm:
            factor = self.config.clip_norm / self.norm.clamp(min=self.config.clip_norm)
            torch._foreach_mul_(gradients, factor)

    @contextmanager
    def _beside(self, direction: int) -> Iterator[None]:
        """The stream of a direction, once what came before it is done."""
        if not self.streams:
            yield
            return
        stream = self.streams[direction]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            yield


def _leaves(parameters: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {name: value.detach().requires_grad_() for name, value in parameters}
