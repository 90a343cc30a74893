"""AdamW and Adagrad, for whole tensors and for the few rows of a table that a step touches.

A table's rows without a gradient are left alone. For Adagrad that is exact: a zero gradient
changes nothing. For Adam it is the lazy variant: a row's moments and its bias correction count the
steps that touched it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from spacy_elmo.pretraining.config import PretrainConfig


class Optimizer:
    """Updates parameters from given gradients; its state is a flat dict of tensors.

    dense: Parameters updated whole. tables: Parameters updated by rows.
    """

    def __init__(
        self,
        config: PretrainConfig,
        dense: Mapping[str, nn.Parameter],
        tables: Mapping[str, nn.Parameter],
    ) -> None:
        self.config = config
        self.dense = dict(dense)
        self.tables = dict(tables)
        self.state: dict[str, Tensor] = {}
        adam = config.optimizer == "adamw"
        for name, parameter in {**self.dense, **self.tables}.items():
            if adam:
                self.state[f"mean.{name}"] = torch.zeros_like(parameter)
                self.state[f"square.{name}"] = torch.zeros_like(parameter)
            else:
                start = config.initial_accumulator
                self.state[f"square.{name}"] = torch.full_like(parameter, start)
        for name, parameter in self.tables.items():
            if adam:
                self.state[f"count.{name}"] = parameter.new_zeros(len(parameter))
        self.steps = 0

    @torch.no_grad()
    def step(
        self,
        gradients: Mapping[str, Tensor],
        row_gradients: Mapping[str, tuple[Tensor, Tensor]],
        learning_rate: float,
    ) -> None:
        """Update.

        gradients: One per dense parameter.
        row_gradients: For a table, the distinct rows touched and their gradients.
        """
        self.steps += 1
        names = list(self.dense)
        values: list[Tensor] = [self.dense[name] for name in names]
        given = [gradients[name] for name in names]
        if self.config.optimizer == "adamw":
            self._adamw(names, values, given, learning_rate)
        else:
            self._adagrad(names, values, given, learning_rate)
        for name, (rows, gradient) in row_gradients.items():
            if self.config.optimizer == "adamw":
                self._adam_rows(name, rows, gradient, learning_rate)
            else:
                self._adagrad_rows(name, rows, gradient, learning_rate)

    def _adamw(
        self,
        names: Sequence[str],
        values: list[Tensor],
        gradients: list[Tensor],
        learning_rate: float,
    ) -> None:
        config = self.config
        means = [self.state[f"mean.{name}"] for name in names]
        squares = [self.state[f"square.{name}"] for name in names]
        torch._foreach_lerp_(means, gradients, 1.0 - config.beta1)
        torch._foreach_mul_(squares, config.beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - config.beta2)
        decayed = [value for value in values if value.dim() > 1]
        if config.weight_decay and decayed:
            torch._foreach_mul_(decayed, 1.0 - learning_rate * config.weight_decay)
        scale = list(torch._foreach_sqrt(squares))
        torch._foreach_mul_(scale, (1.0 - config.beta2**self.steps) ** -0.5)
        torch._foreach_add_(scale, config.epsilon)
        size = learning_rate / (1.0 - config.beta1**self.steps)
        torch._foreach_addcdiv_(values, means, scale, -size)

    def _adagrad(
        self,
        names: Sequence[str],
        values: list[Tensor],
        gradients: list[Tensor],
        learning_rate: float,
    ) -> None:
        squares = [self.state[f"square.{name}"] for name in names]
        torch._foreach_addcmul_(squares, gradients, gradients, 1.0)
        scale = list(torch._foreach_sqrt(squares))
        torch._foreach_add_(scale, self.config.epsilon)
        torch._foreach_addcdiv_(values, gradients, scale, -learning_rate)

    def _adam_rows(self, name: str, rows: Tensor, gradient: Tensor, learning_rate: float) -> None:
        config, state = self.config, self.state
        table = self.tables[name]
        count = state[f"count.{name}"][rows] + 1.0
        mean = state[f"mean.{name}"][rows].lerp_(gradient, 1.0 - config.beta1)
        square = state[f"square.{name}"][rows].mul_(config.beta2)
        square.addcmul_(gradient, gradient, value=1.0 - config.beta2)
        state[f"count.{name}"].index_copy_(0, rows, count)
        state[f"mean.{name}"].index_copy_(0, rows, mean)
        state[f"square.{name}"].index_copy_(0, rows, square)
        if table.dim() > 1:
            count = count.unsqueeze(1)
        scale = square.div_(1.0 - config.beta2**count).sqrt_().add_(config.epsilon)
        mean.div_(1.0 - config.beta1**count)
        table.index_add_(0, rows, mean.div_(scale), alpha=-learning_rate)

    def _adagrad_rows(
        self, name: str, rows: Tensor, gradient: Tensor, learning_rate: float
    ) -> None:
        squares = self.state[f"square.{name}"]
        square = squares[rows].addcmul_(gradient, gradient)
        squares.index_copy_(0, rows, square)
        scale = square.sqrt_().add_(self.config.epsilon)
        self.tables[name].index_add_(0, rows, gradient / scale, alpha=-learning_rate)
