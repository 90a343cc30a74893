"""The optimizer: PyTorch's own for whole tensors, ours for the rows of a table that a step touches.

`torch.optim.Adagrad` adds its epsilon to the root, as `torch.optim.AdamW` does; with an epsilon of
0 it is bilm-tf's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.step.rows import RowOptimizer

# What PyTorch calls the moments that checkpoints hold under names of their own.
MOMENTS = {"adamw": {"mean": "exp_avg", "square": "exp_avg_sq"}, "adagrad": {"square": "sum"}}


class Optimizer:
    """Updates parameters from given gradients.

    Args:
        config: The training config.
        dense: Parameters updated whole. Those of one axis (biases) do not decay.
        tables: Parameters updated by rows.

    Attributes:
        state: All moments as a flat dict, by the names that checkpoints use (`mean.*`, `square.*`,
            `count.*`). The tensors are the optimizers' own: copying into them restores it.
    """

    def __init__(
        self,
        config: PretrainConfig,
        dense: Mapping[str, nn.Parameter],
        tables: Mapping[str, nn.Parameter],
    ) -> None:
        self.dense = dict(dense)
        self.rows = RowOptimizer(config, tables)
        self.optimizer = _optimizer(config, list(self.dense.values()))
        self.state = dict(self.rows.state)
        for name, parameter in self.dense.items():
            moments = self.optimizer.state[parameter]
            for ours, theirs in MOMENTS[config.optimizer].items():
                self.state[f"{ours}.{name}"] = moments[theirs]
        self._steps = 0

    @property
    def steps(self) -> int:
        """Number of steps taken, on which AdamW's bias correction depends."""
        return self._steps

    @steps.setter
    def steps(self, number: int) -> None:
        self._steps = number
        for parameter in self.dense.values():
            self.optimizer.state[parameter]["step"].fill_(number)

    @torch.no_grad()
    def step(
        self,
        gradients: Mapping[str, Tensor],
        row_gradients: Mapping[str, tuple[Tensor, Tensor]],
        learning_rate: float,
    ) -> None:
        """Update.

        Args:
            gradients: One per dense parameter.
            row_gradients: For a table, the distinct rows touched and their gradients.
            learning_rate: That of this step.
        """
        self._steps += 1
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        for name, parameter in self.dense.items():
            # The fused kernels read memory in order, whatever the strides.
            parameter.grad = gradients[name].contiguous()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.rows.step(row_gradients, learning_rate)


def _optimizer(config: PretrainConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """PyTorch's optimizer, its state there before the first step."""
    if config.optimizer == "adagrad":
        return torch.optim.Adagrad(
            parameters,
            initial_accumulator_value=config.initial_accumulator,
            eps=config.epsilon,
            foreach=True,
        )
    groups: list[dict[str, Any]] = [
        {
            "params": [value for value in parameters if (value.dim() > 1) == decays],
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for decays in (True, False)
    ]
    options: dict[str, Any] = {"betas": (config.beta1, config.beta2), "eps": config.epsilon}
    try:
        optimizer = torch.optim.AdamW(groups, **options, fused=True)
        fused = True
    except RuntimeError:  # not on this device, with this PyTorch
        optimizer = torch.optim.AdamW(groups, **options, foreach=True)
        fused = False
    for parameter in parameters:
        optimizer.state[parameter] = {
            # The fused kernel counts where it runs.
            "step": torch.zeros((), device=parameter.device if fused else "cpu"),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer
