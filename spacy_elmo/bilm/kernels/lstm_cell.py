"""The elementwise part of an LSTM step without gradients: from gates to cells and outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.activations import double_expm1_
from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.addresses import rows, whole

LSTMCell = Callable[[Tensor, Tensor, Tensor, Tensor, float | None], None]


def lstm_cell(gates: torch.dtype, cells: torch.dtype, device: torch.device) -> LSTMCell:
    """The fastest way there is for tensors of a kind.

    Args:
        gates: Float type of the gates and the outputs.
        cells: Float type of the cells, in which everything is computed.
        device: Where they are.

    Returns:
        A function of the products with the weights, in the order i, f, o, g, *Shape:* (n_rows, 4C),
        which it may overwrite; of the bias, in the cells' float type, *Shape:* (4C,); of the cells,
        which it updates, *Shape:* (n_rows, C); of a tensor for the outputs before their projection,
        *Shape:* (n_rows, C); and of the bound of the cells, or None. No two of the tensors share
        memory.
    """
    instruction_set = loader.instruction_set_for(gates, cells, device)
    return by_pytorch if instruction_set is None else _Compiled(instruction_set, gates)


@dataclass(frozen=True)
class _Compiled:
    """The compiled kernel in one instruction set and for one float type of the gates."""

    instruction_set: str
    dtype: torch.dtype

    def __call__(
        self, gates: Tensor, bias: Tensor, cells: Tensor, out: Tensor, clip: float | None
    ) -> None:
        assert loader.extension is not None
        n_rows, n_cells = cells.shape
        assert gates.shape == (n_rows, 4 * n_cells)
        assert bias.shape == (4 * n_cells,)
        assert out.shape == cells.shape
        loader.extension.lstm_cell(
            self.instruction_set,
            self.dtype == torch.bfloat16,
            *rows(gates, self.dtype),
            whole(bias, torch.float32),
            *rows(cells, torch.float32),
            *rows(out, self.dtype),
            n_rows,
            n_cells,
            math.inf if clip is None else clip,
        )


def by_pytorch(gates: Tensor, bias: Tensor, cells: Tensor, out: Tensor, clip: float | None) -> None:
    """The same as a sequence of PyTorch's operations, in place where the float types are one."""
    gates = gates.to(cells.dtype).add_(bias)
    work = out if out.dtype == cells.dtype else torch.empty_like(cells)
    i, f, o, g = gates.chunk(4, dim=1)
    gates[:, : 3 * cells.shape[1]].sigmoid_()
    # f * c + i * tanh(g), and below o * tanh(c), the division in tanh left to the end: no buffer is
    # needed that is not there already.
    double_expm1_(g)
    i.mul_(g)
    cells.mul_(f).addcdiv_(i, g.add_(2))
    if clip is not None:
        cells.clamp_(-clip, clip)
    double_expm1_(work.copy_(cells))
    o.mul_(work)
    torch.div(o, work.add_(2), out=work)
    if work is not out:
        out.copy_(work)
