"""An LSTM layer over a window of full rows, laid out for a GPU.

Rows-major: a step's product is (rows, 2P) x (2P, 4C), and the gradients of the weights are one
product over the whole window. For layers without clips.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spacy_elmo.pretraining.gpu.cell import cell_backward, cell_forward


def run_layer(
    inputs: Tensor, h: Tensor, c: Tensor, weight: Tensor, bias: Tensor, projection: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Run a layer of one direction over a window.

    Args:
        inputs: *Shape:* (steps, rows, P).
        h: Output before the first step. *Shape:* (rows, P).
        c: Cell before the first step, float32. *Shape:* (rows, C).
        weight: Gates in the order input, forget, output, cell input, in the type of the inputs.
            *Shape:* (4C, 2P).
        bias: With the forget gate's constant. *Shape:* (4C,).
        projection: *Shape:* (P, C).

    Returns:
        The outputs, *Shape:* (steps, rows, P), and h and c after the last step, which carry no
        gradient: a window is where back-propagation through time ends.
    """
    outputs: tuple[Tensor, Tensor, Tensor] = _Layer.apply(  # type: ignore[no-untyped-call]
        inputs, h, c, weight, bias, projection
    )
    return outputs


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        h: Tensor,
        c: Tensor,
        weight: Tensor,
        bias: Tensor,
        projection: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        steps, rows, width = inputs.shape
        n_cells = c.shape[1]
        # Input of a step and output of the step before side by side: one product a step.
        joined = inputs.new_empty(steps + 1, rows, 2 * width)
        joined[:steps, :, :width] = inputs
        joined[0, :, width:] = h
        gates = inputs.new_empty(steps, rows, 4 * n_cells)
        cells = c.new_empty(steps + 1, rows, n_cells)
        cells[0] = c
        hidden = inputs.new_empty(steps, rows, n_cells)
        turned, turned_projection = weight.t(), projection.t()
        for step in range(steps):
            torch.addmm(bias, joined[step], turned, out=gates[step])
            cell_forward(gates[step], cells[step], cells[step + 1], hidden[step])
            torch.mm(hidden[step], turned_projection, out=joined[step + 1, :, width:])
        ctx.save_for_backward(joined, gates, cells, hidden, weight, projection)
        outputs = joined[1:, :, width:].contiguous()
        last_h, last_c = outputs[-1].clone(), cells[-1].clone()
        ctx.mark_non_differentiable(last_h, last_c)
        return outputs, last_h, last_c

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_outputs = gradients[0]
        joined, gates, cells, hidden, weight, projection = ctx.saved_tensors
        steps, _, width = d_outputs.shape
        # The gates' gradients take the place of the gates: back-propagation runs once.
        d_joined = torch.empty_like(joined[:steps])
        d_projected = torch.empty_like(d_outputs)
        d_hidden = torch.empty_like(hidden[0])
        d_cell = torch.zeros_like(cells[0])
        for step in reversed(range(steps)):
            if step == steps - 1:
                d_projected[step] = d_outputs[step]
            else:
                later = d_joined[step + 1, :, width:]
                torch.add(d_outputs[step], later, out=d_projected[step])
            torch.mm(d_projected[step], projection, out=d_hidden)
            cell_backward(gates[step], cells[step], cells[step + 1], d_hidden, d_cell)
            torch.mm(gates[step], weight, out=d_joined[step])
        flat = gates.flatten(0, 1)
        d_weight = flat.t() @ joined[:steps].flatten(0, 1)
        d_bias = (flat.new_ones(1, len(flat)) @ flat).squeeze(0)
        d_projection = d_projected.flatten(0, 1).t() @ hidden.flatten(0, 1)
        return d_joined[:, :, :width], None, None, d_weight, d_bias, d_projection
