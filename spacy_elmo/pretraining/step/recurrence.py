"""An LSTM layer over full windows, as the training step wants it.

`bilm.lstm` runs packed rows of any length. A training window has all its rows at every step, so it
needs no slicing. In memory the rows come before the features, (steps, rows, features): a step's
rows are the left side of a product with the weights as they are, the input's half of the gates is
one product for the whole window, and so is every gradient of a weight. The shapes that callers see
have the rows last, as checkpoints do: views, not copies.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spacy_elmo.bilm.kernels.lstm_training import training_cell
from spacy_elmo.pretraining.step.buffers import Buffers


def run_window(
    inputs: Tensor,
    h: Tensor,
    c: Tensor,
    weight: Tensor,
    bias: Tensor,
    projection: Tensor | None,
    cell_clip: float | None = None,
    proj_clip: float | None = None,
    buffers: Buffers | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run one layer of one direction over a window of equally long rows.

    Args:
        inputs: Fastest as a view of (steps, rows, P). *Shape:* (steps, P, rows).
        h: Output of the step before the first. *Shape:* (P, rows).
        c: Cells of the step before the first. *Shape:* (C, rows).
        weight: Gates in the order input, forget, output, cell input. *Shape:* (4C, 2P).
        bias: Of the gates, with the forget gate's constant. *Shape:* (4C,).
        projection: *Shape:* (P, C), or None where C equals P.
        cell_clip: Bound of the cells, or None.
        proj_clip: Bound of the projected outputs, or None.
        buffers: Memory to work in, which comes back in backward; None: taken anew.

    Returns:
        The outputs, *Shape:* (steps, P, rows), and h and c after the last step, which carry no
        gradient: a window is where back-propagation through time ends.
    """
    outputs, last_h, last_c = _Window.apply(  # type: ignore[no-untyped-call]
        inputs.transpose(1, 2),
        h.t(),
        c.t(),
        weight,
        bias,
        projection,
        cell_clip,
        None if projection is None else proj_clip,
        buffers or Buffers(),
    )
    return outputs.transpose(1, 2), last_h.t(), last_c.t()


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
        buffers: Buffers,
    ) -> tuple[Tensor, Tensor, Tensor]:
        steps, rows, width = inputs.shape
        n_cells = c.shape[1]
        cell = training_cell(inputs.dtype, c.dtype, inputs.device)
        inputs = inputs.contiguous()
        gates = buffers.take((steps, rows, 4 * n_cells), inputs)
        cells = buffers.take((steps + 1, rows, n_cells), c)  # float32 in half precision too
        hidden = buffers.take((steps, rows, n_cells), inputs)
        # The output of the step before, which each step reads, and the last one's.
        outputs = inputs.new_empty(steps + 1, rows, width)
        cells[0], outputs[0] = c, h
        recurrent = weight[:, width:].t()
        torch.addmm(bias, inputs.flatten(0, 1), weight[:, :width].t(), out=gates.flatten(0, 1))
        for step in range(steps):
            gate, output = gates[step].addmm_(outputs[step], recurrent), outputs[step + 1]
            out = output if projection is None else hidden[step]
            cell.forward(gate, cells[step], cells[step + 1], out, cell_clip)
            if projection is not None:
                torch.mm(out, projection.t(), out=output)
                if proj_clip is not None:
                    output.clamp_(-proj_clip, proj_clip)
        last_h, last_c = outputs[-1].to(h.dtype, copy=True), cells[-1].clone()
        ctx.mark_non_differentiable(last_h, last_c)
        ctx.cell, ctx.cell_clip, ctx.proj_clip, ctx.buffers = cell, cell_clip, proj_clip, buffers
        ctx.save_for_backward(inputs, weight, projection, outputs)
        # Backward writes into these and gives them back, so it can only be once.
        ctx.own = (gates, cells, hidden)
        return outputs[1:], last_h, last_c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, projection, outputs = ctx.saved_tensors
        if ctx.own is None:
            raise RuntimeError("the gradients of a window can be computed once only")
        (gates, cells, hidden), ctx.own = ctx.own, None
        buffers: Buffers = ctx.buffers
        steps, rows, n_cells = hidden.shape
        width = inputs.shape[2]
        # Gradients of the outputs, those of the later steps included.
        d_outputs = buffers.take((steps, rows, width), inputs)
        d_hidden = buffers.take((rows, n_cells), inputs)
        d_cells = cells.new_zeros(rows, n_cells)
        recurrent = weight[:, width:]
        for step in reversed(range(steps)):
            d_output = d_outputs[step]
            if step == steps - 1:
                d_output.copy_(gradients[0][step])
            else:
                torch.addmm(gradients[0][step], gates[step + 1], recurrent, out=d_output)
            if ctx.proj_clip is not None:
                # TensorFlow lets no gradient through a value it has clipped.
                d_output.mul_(outputs[step + 1].abs() < ctx.proj_clip)
            if projection is None:
                d_hidden.copy_(d_output)
            else:
                torch.mm(d_output, projection, out=d_hidden)
            ctx.cell.backward(
                gates[step], cells[step], cells[step + 1], d_hidden, d_cells, ctx.cell_clip
            )
        d_gates = gates.flatten(0, 1)
        d_weight = torch.empty_like(weight)
        torch.mm(d_gates.t(), inputs.flatten(0, 1), out=d_weight[:, :width])
        torch.mm(d_gates.t(), outputs[:-1].flatten(0, 1), out=d_weight[:, width:])
        d_bias = torch.mv(d_gates.t(), d_gates.new_ones(len(d_gates)))
        d_projection = None
        if projection is not None:
            d_projection = d_outputs.flatten(0, 1).t() @ hidden.flatten(0, 1)
        d_inputs = None
        if ctx.needs_input_grad[0]:
            d_inputs = (d_gates @ weight[:, :width]).view_as(inputs)
        buffers.give_back(gates, cells, hidden, d_outputs, d_hidden)
        return d_inputs, None, None, d_weight, d_bias, d_projection, None, None, None
