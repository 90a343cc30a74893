"""An LSTM layer over full windows, laid out for the training step.

`bilm.lstm` runs packed rows of any length. A training window has all its rows at every step, so the
time-major layout (steps, features, rows) needs no slicing: the weights stand on the left of every
product, which is the faster order on a CPU, and each step works on contiguous memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def run_window(
    inputs: Tensor,
    h: Tensor,
    c: Tensor,
    weight: Tensor,
    bias: Tensor,
    projection: Tensor | None,
    cell_clip: float | None = None,
    proj_clip: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run one layer of one direction over a window of equally long rows.

    Args:
        inputs: *Shape:* (steps, P, rows).
        h: Output of the step before the first. *Shape:* (P, rows).
        c: Cells of the step before the first. *Shape:* (C, rows).
        weight: Gates in the order input, forget, output, cell input. *Shape:* (4C, 2P).
        bias: Of the gates, with the forget gate's constant. *Shape:* (4C,).
        projection: *Shape:* (P, C), or None where C equals P.
        cell_clip: Bound of the cells, or None.
        proj_clip: Bound of the projected outputs, or None.

    Returns:
        The outputs, *Shape:* (steps, P, rows), and h and c after the last step, which carry no
        gradient: a window is where back-propagation through time ends.
    """
    outputs: tuple[Tensor, Tensor, Tensor] = _Window.apply(  # type: ignore[no-untyped-call]
        inputs, h, c, weight, bias, projection, cell_clip, proj_clip
    )
    return outputs


def run_window_fused(
    inputs: Tensor, h: Tensor, c: Tensor, weight: Tensor, bias: Tensor, projection: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """`run_window` by PyTorch's own LSTM, which is cuDNN's on a GPU and knows no clips."""
    width = inputs.shape[1]
    # PyTorch's gates stand in the order input, forget, cell input, output.
    weight, bias = (torch.cat([i, f, g, o]) for i, f, o, g in (weight.chunk(4), bias.chunk(4)))
    parts = [weight[:, :width], weight[:, width:], bias, torch.zeros_like(bias)]
    if projection is not None:
        parts.append(projection)
    weights = [part.contiguous() for part in parts]
    before = [state.to(inputs.dtype).t().unsqueeze(0).contiguous() for state in (h, c)]
    outputs, last_h, last_c = torch._VF.lstm(
        inputs.transpose(1, 2).contiguous(), before, weights, True, 1, 0.0, True, False, False
    )
    return outputs.transpose(1, 2), last_h[0].detach().t(), last_c[0].detach().t()


class _Window(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        h: Tensor,
        c: Tensor,
        weight: Tensor,
        bias: Tensor,
        projection: Tensor | None,
        cell_clip: float | None,
        proj_clip: float | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        steps, width, rows = inputs.shape
        n_cells = c.shape[0]
        # Input of a step and output of the step before stand under each other: one product a step.
        joined = inputs.new_empty(steps + 1, 2 * width, rows)
        joined[:steps, :width] = inputs
        joined[0, width:] = h
        gates = inputs.new_empty(steps, 4 * n_cells, rows)
        cells = c.new_empty(steps + 1, n_cells, rows)  # float32 in half precision too
        cells[0] = c
        squashed = inputs.new_empty(steps, n_cells, rows)
        hidden = inputs.new_empty(steps, n_cells, rows)
        # tanh(x) = 2 sigmoid(2x) - 1: one sigmoid, far faster than tanh here, covers all gates.
        doubled, bias_column = weight.clone(), bias.clone().unsqueeze(1)
        doubled[3 * n_cells :] *= 2
        bias_column[3 * n_cells :] *= 2
        for step in range(steps):
            gate = torch.addmm(bias_column, doubled, joined[step], out=gates[step]).sigmoid_()
            i, f, o, g = gate.chunk(4)
            g.mul_(2).sub_(1)
            cell = torch.mul(f, cells[step], out=cells[step + 1])
            cell.addcmul_(i.to(c.dtype), g.to(c.dtype))
            if cell_clip is not None:
                cell.clamp_(-cell_clip, cell_clip)
            tanh = torch.mul(cell, 2, out=squashed[step]).sigmoid_().mul_(2).sub_(1)
            output = joined[step + 1, width:]
            if projection is None:
                torch.mul(o, tanh, out=output)
            else:
                torch.mm(projection, torch.mul(o, tanh, out=hidden[step]), out=output)
                if proj_clip is not None:
                    output.clamp_(-proj_clip, proj_clip)
        ctx.cell_clip, ctx.proj_clip = cell_clip, None if projection is None else proj_clip
        ctx.save_for_backward(joined, gates, cells, squashed, hidden, weight, projection)
        outputs = joined[1:, width:].contiguous()
        last_h, last_c = outputs[-1].to(h.dtype, copy=True), cells[-1].clone()
        ctx.mark_non_differentiable(last_h, last_c)
        return outputs, last_h, last_c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_outputs = gradients[0]
        joined, gates, cells, squashed, hidden, weight, projection = ctx.saved_tensors
        steps, n_cells, rows = squashed.shape
        width = joined.shape[1] // 2
        weight_t = weight.t().contiguous()
        projection_t = None if projection is None else projection.t().contiguous()
        # Sums over the steps are float32, as the cells are.
        d_weight = torch.zeros_like(weight, dtype=cells.dtype)
        d_bias = cells.new_zeros(4 * n_cells)
        d_projection = None
        if projection is not None:
            d_projection = torch.zeros_like(projection, dtype=cells.dtype)
        d_inputs = weight.new_empty(steps, width, rows)
        d_joined = weight.new_zeros(2 * width, rows)
        d_gate = weight.new_empty(4 * n_cells, rows)
        d_cell = cells.new_zeros(n_cells, rows)
        d_hidden, scratch = torch.empty_like(hidden[0]), torch.empty_like(hidden[0])
        d_i, d_f, d_o, d_g = d_gate.chunk(4)
        three = slice(0, 3 * n_cells)
        for step in reversed(range(steps)):
            d_output = d_joined[width:].add_(d_outputs[step])
            if ctx.proj_clip is not None:
                # TensorFlow lets no gradient through a value it has clipped.
                d_output.mul_(joined[step + 1, width:].abs() < ctx.proj_clip)
            if projection_t is None:
                d_hidden.copy_(d_output)
            else:
                assert d_projection is not None
                _add_product(d_projection, d_output, hidden[step].t())
                torch.mm(projection_t, d_output, out=d_hidden)
            gate, tanh = gates[step], squashed[step]
            i, f, o, g = gate.chunk(4)
            torch.mul(d_hidden, tanh, out=d_o)
            d_hidden.mul_(o)
            torch.mul(d_hidden, tanh, out=scratch)
            d_cell.add_(d_hidden.addcmul_(scratch, tanh, value=-1))
            if ctx.cell_clip is not None:
                d_cell.mul_(cells[step + 1].abs() < ctx.cell_clip)
            torch.mul(d_cell, g, out=d_i)
            torch.mul(d_cell, cells[step], out=d_f)
            # Through the three sigmoids at once: d * s * (1 - s), then through the tanh.
            d_sigmoid = d_gate[three].mul_(gate[three])
            d_sigmoid.addcmul_(d_sigmoid, gate[three], value=-1)
            torch.mul(d_cell, i, out=d_g)
            torch.mul(d_g, g, out=scratch)
            d_g.addcmul_(scratch, g, value=-1)
            d_cell.mul_(f)
            _add_product(d_weight, d_gate, joined[step].t())
            d_bias += d_gate.sum(1)
            torch.mm(weight_t, d_gate, out=d_joined)
            d_inputs[step] = d_joined[:width]
        if d_projection is not None:
            d_projection = d_projection.to(weight.dtype)
        d_weight, d_bias = d_weight.to(weight.dtype), d_bias.to(weight.dtype)
        return d_inputs, None, None, d_weight, d_bias, d_projection, None, None


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
