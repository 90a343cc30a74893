"""The elementwise part of an LSTM step of a training: what backward needs is kept, and backward.

Gates stand in the order i, f, o, g. Forward leaves in their place what their nonlinearities make of
them; backward reads that, and leaves the gradients of the gates before their nonlinearities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from spacy_elmo.bilm.activations import tanh_
from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.addresses import rows


class TrainingCell(Protocol):
    """The two halves. No two of the tensors given to one share memory."""

    def forward(
        self, gates: Tensor, before: Tensor, after: Tensor, out: Tensor, clip: float | None
    ) -> None:
        """From gates to cells and outputs.

        Args:
            gates: Gates, then their activations. *Shape:* (n_rows, 4C).
            before: Cells before the step. *Shape:* (n_rows, C).
            after: Where the cells after the step go. *Shape:* (n_rows, C).
            out: Where the outputs before their projection go. *Shape:* (n_rows, C).
            clip: Bound of the cells, or None.
        """
        ...

    def backward(
        self,
        gates: Tensor,
        before: Tensor,
        after: Tensor,
        d_out: Tensor,
        d_cells: Tensor,
        clip: float | None,
    ) -> None:
        """From the gradients of outputs and cells to those of gates and of the cells before.

        As in TensorFlow no gradient goes through a cell that was clipped.

        Args:
            gates: Activations, then gradients of the gates. *Shape:* (n_rows, 4C).
            before: Cells before the step. *Shape:* (n_rows, C).
            after: Cells after it. *Shape:* (n_rows, C).
            d_out: Gradients of the outputs; may be overwritten. *Shape:* (n_rows, C).
            d_cells: Gradients of the cells after the step that come from the next one, then those
                of the cells before. *Shape:* (n_rows, C).
            clip: Bound of the cells, or None.
        """
        ...


def training_cell(gates: torch.dtype, cells: torch.dtype, device: torch.device) -> TrainingCell:
    """The fastest way there is for tensors of a kind.

    Args:
        gates: Float type of gates, outputs and their gradients.
        cells: Float type of the cells and their gradients.
        device: Where they are.
    """
    instruction_set = loader.instruction_set_for(gates, cells, device)
    return ByPyTorch() if instruction_set is None else Compiled(instruction_set, gates)


@dataclass(frozen=True)
class Compiled:
    """The kernels in one instruction set and for one float type of the gates."""

    instruction_set: str
    dtype: torch.dtype

    def forward(
        self, gates: Tensor, before: Tensor, after: Tensor, out: Tensor, clip: float | None
    ) -> None:
        """From gates to cells and outputs."""
        assert loader.extension is not None
        n_rows, n_cells = before.shape
        assert gates.shape == (n_rows, 4 * n_cells)
        assert after.shape == out.shape == before.shape
        loader.extension.lstm_forward(
            self.instruction_set,
            self.dtype == torch.bfloat16,
            *rows(gates, self.dtype),
            *rows(before, torch.float32),
            *rows(after, torch.float32),
            *rows(out, self.dtype),
            n_rows,
            n_cells,
            math.inf if clip is None else clip,
        )

    def backward(
        self,
        gates: Tensor,
        before: Tensor,
        after: Tensor,
        d_out: Tensor,
        d_cells: Tensor,
        clip: float | None,
    ) -> None:
        """From the gradients of outputs and cells to those of gates and of the cells before."""
        assert loader.extension is not None
        n_rows, n_cells = before.shape
        assert gates.shape == (n_rows, 4 * n_cells)
        assert after.shape == d_out.shape == d_cells.shape == before.shape
        loader.extension.lstm_backward(
            self.instruction_set,
            self.dtype == torch.bfloat16,
            *rows(gates, self.dtype),
            *rows(before, torch.float32),
            *rows(after, torch.float32),
            *rows(d_out, self.dtype),
            *rows(d_cells, torch.float32),
            n_rows,
            n_cells,
            math.nan if clip is None else clip,
        )


class ByPyTorch:
    """The same as sequences of PyTorch's operations."""

    def forward(
        self, gates: Tensor, before: Tensor, after: Tensor, out: Tensor, clip: float | None
    ) -> None:
        """From gates to cells and outputs."""
        i, f, o, g = gates.chunk(4, dim=1)
        gates[:, : 3 * before.shape[1]].sigmoid_()
        tanh_(g)
        torch.mul(f, before, out=after).addcmul_(i.to(after.dtype), g.to(after.dtype))
        if clip is not None:
            after.clamp_(-clip, clip)
        torch.mul(o, tanh_(out.copy_(after)), out=out)

    def backward(
        self,
        gates: Tensor,
        before: Tensor,
        after: Tensor,
        d_out: Tensor,
        d_cells: Tensor,
        clip: float | None,
    ) -> None:
        """From the gradients of outputs and cells to those of gates and of the cells before."""
        i, f, o, g = gates.chunk(4, dim=1)
        tanh = tanh_(after.to(gates.dtype, copy=True))
        d_cells.addcmul_((d_out * o).to(d_cells.dtype), (1 - tanh * tanh).to(d_cells.dtype))
        if clip is not None:
            d_cells.mul_(after.abs() < clip)
        d_i = d_cells * g * (i * (1 - i))
        d_f = d_cells * before * (f * (1 - f))
        d_g = d_cells * i * (1 - g * g)
        d_cells.mul_(f)
        torch.mul(d_out.mul_(tanh), o * (1 - o), out=o)
        for place, gradient in ((i, d_i), (f, d_f), (g, d_g)):
            place.copy_(gradient)
