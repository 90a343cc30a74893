"""The elementwise part of an LSTM step without gradients: from gates to cells and outputs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from spacy_elmo.bilm.activations import double_expm1_
from spacy_elmo.bilm.kernels import loader

LSTMCell = Callable[[Tensor, Tensor, Tensor, float | None], None]


def lstm_cell(dtype: torch.dtype, device: torch.device) -> LSTMCell:
    """The fastest way there is for tensors of a kind.

    Args:
        dtype: Float type of the gates, the cells and the outputs.
        device: Where they are.

    Returns:
        A function of the gates before their nonlinearities in the order i, f, o, g, *Shape:*
        (n_rows, 4C), which it may overwrite; of the cells, which it updates, *Shape:*
        (n_rows, C); of a tensor for the outputs before their projection, *Shape:* (n_rows, C); and
        of the bound of the cells, or None. No two of the tensors share memory.
    """
    if dtype == torch.float32 and device.type == "cpu":
        instruction_set = loader.in_use()
        if instruction_set is not None:
            return _Compiled(instruction_set)
    return by_pytorch


class _Compiled:
    """The compiled kernel in one instruction set."""

    def __init__(self, instruction_set: str) -> None:
        self.instruction_set = instruction_set

    def __call__(self, gates: Tensor, cells: Tensor, out: Tensor, clip: float | None) -> None:
        assert loader.extension is not None
        n_rows, n_cells = cells.shape
        assert gates.shape == (n_rows, 4 * n_cells)
        assert out.shape == cells.shape
        loader.extension.lstm_cell(
            self.instruction_set,
            *_rows(gates),
            *_rows(cells),
            *_rows(out),
            n_rows,
            n_cells,
            math.inf if clip is None else clip,
        )


def _rows(tensor: Tensor) -> tuple[int, int]:
    """Address of a matrix, and how far apart its rows are; a row's elements are side by side."""
    assert tensor.dtype == torch.float32
    assert tensor.device.type == "cpu"
    assert tensor.stride(1) == 1 or tensor.shape[1] < 2
    return tensor.data_ptr(), tensor.stride(0)


def by_pytorch(gates: Tensor, cells: Tensor, out: Tensor, clip: float | None) -> None:
    """The same as a sequence of PyTorch's operations, in place."""
    i, f, o, g = gates.chunk(4, dim=1)
    gates[:, : 3 * cells.shape[1]].sigmoid_()
    # f * c + i * tanh(g), and below o * tanh(c), the division in tanh left to the end: no buffer is
    # needed that is not there already.
    double_expm1_(g)
    i.mul_(g)
    cells.mul_(f).addcdiv_(i, g.add_(2))
    if clip is not None:
        cells.clamp_(-clip, clip)
    double_expm1_(out.copy_(cells))
    o.mul_(out)
    torch.div(o, out.add_(2), out=out)
