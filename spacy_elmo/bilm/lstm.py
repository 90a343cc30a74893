"""The LSTM layer of a biLM, with gradients: cell clip, projection and projection clip as in TF.

Rows of a batch are packed by time step, longest first: step 0 of every row, step 1 of the rows
that have one, and so on. `batch_sizes[t]` rows take part in step t, so nothing is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spacy_elmo.bilm.activations import tanh_

# TensorFlow's LSTMCell adds this to the forget gate at every step; weight files hold the bias
# without it.
FORGET_BIAS = 1.0


class LSTMLayer(nn.Module):
    """One LSTM layer of one direction (Sak et al. 2014; TensorFlow's LSTMCell).

    Gate rows of `weight` (4C, 2P) and `bias` (4C,) stand in the order input, forget, output, cell
    input; columns of `weight` are the input's, then the recurrent ones. `projection` is (P, C).

    Args:
        lstm_dim: Cells (C).
        projection_dim: Width of input and output (P).
        projection: Whether the output is projected from C to P.
        cell_clip: Bound of the cells, or None.
        proj_clip: Bound of the projected output, or None.
    """

    def __init__(
        self,
        lstm_dim: int,
        projection_dim: int,
        *,
        projection: bool = True,
        cell_clip: float | None = None,
        proj_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.lstm_dim = lstm_dim
        self.projection_dim = projection_dim
        self.cell_clip = cell_clip
        # TensorFlow clips the projected output only: without a projection there is none.
        self.proj_clip = proj_clip if projection else None
        self.weight = nn.Parameter(torch.empty(4 * lstm_dim, 2 * projection_dim))
        self.bias = nn.Parameter(torch.empty(4 * lstm_dim))
        self.projection = (
            nn.Parameter(torch.empty(projection_dim, lstm_dim)) if projection else None
        )

    def reset_parameters(self) -> None:
        """Initialise as TensorFlow does: uniform Glorot weights, zero bias."""
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)
        if self.projection is not None:
            nn.init.xavier_uniform_(self.projection)

    def working_bias(self) -> Tensor:
        """The bias with the forget gate's constant added. *Shape:* (4C,)."""
        constant = torch.zeros_like(self.bias)
        constant[self.lstm_dim : 2 * self.lstm_dim] = FORGET_BIAS
        return self.bias + constant

    def forward(
        self, inputs: Tensor, batch_sizes: Sequence[int], h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run over packed rows.

        Args:
            inputs: *Shape:* (sum(batch_sizes), P).
            batch_sizes: Rows in each step, never growing.
            h: State before the first step. *Shape:* (batch_sizes[0], P).
            c: The same of the cells. *Shape:* (batch_sizes[0], C).

        Returns:
            The outputs, *Shape:* (sum(batch_sizes), P), and each row's h and c after its last step.
        """
        bias = self.working_bias()
        outputs: tuple[Tensor, Tensor, Tensor] = _LSTMFunction.apply(  # type: ignore[no-untyped-call]
            inputs,
            h,
            c,
            self.weight,
            bias,
            self.projection,
            tuple(batch_sizes),
            self.cell_clip,
            self.proj_clip,
        )
        return outputs


class _LSTMFunction(torch.autograd.Function):
    """The recurrence with its own backward pass.

    The weights' gradients are one product over all steps instead of one per step, which autograd
    would do.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        h: Tensor,
        c: Tensor,
        weight: Tensor,
        bias: Tensor,
        projection: Tensor | None,
        batch_sizes: tuple[int, ...],
        cell_clip: float | None,
        proj_clip: float | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n_rows, width = inputs.shape
        n_cells = c.shape[1]
        # Input and recurrent input of every step side by side: one product gives the gates.
        joined = inputs.new_empty(n_rows, 2 * width)
        joined[:, :width] = inputs
        gates = inputs.new_empty(n_rows, 4 * n_cells)
        cells = inputs.new_empty(n_rows, n_cells)
        squashed = inputs.new_empty(n_rows, n_cells)
        outputs = inputs.new_empty(n_rows, width)
        last_h, last_c = h.clone(), c.clone()
        start = 0
        for size in batch_sizes:
            end = start + size
            joined[start:end, width:] = last_h[:size]
            gate = torch.addmm(bias, joined[start:end], weight.t(), out=gates[start:end])
            i, f, o, g = gate.chunk(4, dim=1)
            gate[:, : 3 * n_cells].sigmoid_()
            tanh_(g)
            cell = torch.mul(last_c[:size], f, out=cells[start:end]).addcmul_(i, g)
            if cell_clip is not None:
                cell.clamp_(-cell_clip, cell_clip)
            last_c[:size] = cell
            tanh = tanh_(squashed[start:end].copy_(cell))
            if projection is None:
                output = torch.mul(o, tanh, out=outputs[start:end])
            else:
                output = torch.mm(o * tanh, projection.t(), out=outputs[start:end])
                if proj_clip is not None:
                    output.clamp_(-proj_clip, proj_clip)
            last_h[:size] = output
            start = end
        ctx.batch_sizes, ctx.cell_clip, ctx.proj_clip = batch_sizes, cell_clip, proj_clip
        ctx.save_for_backward(joined, gates, c, cells, squashed, outputs, weight, projection)
        return outputs, last_h, last_c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        # Called within the caller's autocast, if it is called there at all.
        with torch.autocast(gradients[0].device.type, enabled=False):
            return _LSTMFunction._gradients(ctx, *gradients)

    @staticmethod
    def _gradients(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_outputs, d_last_h, d_last_c = gradients
        joined, gates, first, cells, squashed, outputs, weight, projection = ctx.saved_tensors
        n_cells = cells.shape[1]
        width = outputs.shape[1]
        dh, dc = d_last_h.clone(), d_last_c.clone()
        d_gates = torch.empty_like(gates)
        d_joined = torch.empty_like(joined)
        d_projected = torch.empty_like(outputs)
        end = len(joined)
        for step in reversed(range(len(ctx.batch_sizes))):
            size = ctx.batch_sizes[step]
            start = end - size
            if step:
                earlier = start - ctx.batch_sizes[step - 1]
                before = cells[earlier : earlier + size]
            else:
                before = first
            i, f, o, g = gates[start:end].chunk(4, dim=1)
            tanh = squashed[start:end]
            d_output = torch.add(d_outputs[start:end], dh[:size], out=d_projected[start:end])
            if ctx.proj_clip is not None:
                # TensorFlow lets no gradient through a value it has clipped.
                d_output.mul_(outputs[start:end].abs() < ctx.proj_clip)
            d_hidden = d_output if projection is None else d_output @ projection
            d_cell = dc[:size].addcmul_(d_hidden * o, 1 - tanh * tanh)
            if ctx.cell_clip is not None:
                d_cell.mul_(cells[start:end].abs() < ctx.cell_clip)
            d_gate = d_gates[start:end]
            d_i, d_f, d_o, d_g = d_gate.chunk(4, dim=1)
            torch.mul(d_cell, g, out=d_i).mul_(i).mul_(1 - i)
            torch.mul(d_cell, before, out=d_f).mul_(f).mul_(1 - f)
            torch.mul(d_hidden, tanh, out=d_o).mul_(o).mul_(1 - o)
            torch.mul(d_cell, i, out=d_g).mul_(1 - g * g)
            d_cell.mul_(f)
            torch.mm(d_gate, weight, out=d_joined[start:end])
            dh[:size] = d_joined[start:end, width:]
            end = start
        d_weight = d_gates.t() @ joined
        d_bias = d_gates.sum(0)
        d_projection = None
        if projection is not None:
            hidden = gates[:, 2 * n_cells : 3 * n_cells] * squashed
            d_projection = d_projected.t() @ hidden
        return d_joined[:, :width], dh, dc, d_weight, d_bias, d_projection, None, None, None
