"""AdamW and Adagrad for the few rows of a table that a step touches.

Rows without a gradient are left alone. For Adagrad that is exact: a zero gradient changes nothing.
For Adam it is the lazy variant, and why these updates are our own: a row's moments and its bias
correction count the steps that touched it. `torch.optim.SparseAdam` counts all steps, so that a
rare word's first steps would be corrected as if its moments were settled.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spacy_elmo.pretraining.config import PretrainConfig


class RowOptimizer:
    """Updates rows of tables; none of them decays.

    Args:
        config: The training config.
        tables: The parameters.

    Attributes:
        state: Moments by the name of the table: `mean.*`, `square.*` and `count.*`, the steps that
            touched each row, of AdamW; `square.*` of Adagrad.
    """

    def __init__(self, config: PretrainConfig, tables: Mapping[str, nn.Parameter]) -> None:
        self.config = config
        self.tables = dict(tables)
        self.state: dict[str, Tensor] = {}
        for name, table in self.tables.items():
            if config.optimizer == "adamw":
                self.state[f"mean.{name}"] = torch.zeros_like(table)
                self.state[f"square.{name}"] = torch.zeros_like(table)
                self.state[f"count.{name}"] = table.new_zeros(len(table))
            else:
                start = config.initial_accumulator
                self.state[f"square.{name}"] = torch.full_like(table, start)

    def step(self, gradients: Mapping[str, tuple[Tensor, Tensor]], learning_rate: float) -> None:
        """Update.

        Args:
            gradients: For a table, the distinct rows touched and their gradients.
            learning_rate: That of this step.
        """
        update = self._adam if self.config.optimizer == "adamw" else self._adagrad
        for name, (rows, gradient) in gradients.items():
            update(name, rows, gradient, learning_rate)

    def _adam(self, name: str, rows: Tensor, gradient: Tensor, learning_rate: float) -> None:
        config, state = self.config, self.state
        table = self.tables[name]
        count = state[f"count.{name}"].index_select(0, rows).add_(1.0)
        mean = state[f"mean.{name}"].index_select(0, rows).lerp_(gradient, 1.0 - config.beta1)
        square = state[f"square.{name}"].index_select(0, rows).mul_(config.beta2)
        square.addcmul_(gradient, gradient, value=1.0 - config.beta2)
        state[f"count.{name}"].index_copy_(0, rows, count)
        state[f"mean.{name}"].index_copy_(0, rows, mean)
        state[f"square.{name}"].index_copy_(0, rows, square)
        if table.dim() > 1:
            count = count.unsqueeze(1)
        scale = square.div_(1.0 - config.beta2**count).sqrt_().add_(config.epsilon)
        mean.div_(1.0 - config.beta1**count)
        table.index_add_(0, rows, mean.div_(scale), alpha=-learning_rate)

    def _adagrad(self, name: str, rows: Tensor, gradient: Tensor, learning_rate: float) -> None:
        squares = self.state[f"square.{name}"]
        square = squares.index_select(0, rows).addcmul_(gradient, gradient)
        squares.index_copy_(0, rows, square)
        scale = square.sqrt_().add_(self.config.epsilon)
        self.tables[name].index_add_(0, rows, gradient / scale, alpha=-learning_rate)
