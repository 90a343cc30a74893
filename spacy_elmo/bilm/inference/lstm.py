"""An LSTM layer without gradients: the recurrent share of the fast path.

Same results as `LSTMLayer.forward` up to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.kernels.lstm_cell import lstm_cell
from spacy_elmo.bilm.lstm import LSTMLayer

# Steps of so few rows spend their time on fetching weights, where these are too many for a
# processor's cache. The input's half of the product needs no waiting for the step before, so it is
# done for some steps at once: at 4096/512 a step of 1 to 16 rows takes half to two thirds of the
# time. With smaller weights two directions side by side take longer that way (1.9 ms, not 1.5, for
# a text at 1024/128).
FEW_ROWS = 32
STEPS_AT_ONCE = 16
MANY_WEIGHTS = 2**22


@dataclass(frozen=True)
class FastLayer:
    """A layer's weights, ready for the products.

    `weight` and `projection` are views of the layer's own, transposed, unless a smaller float type
    was asked for.

    Attributes:
        weight: *Shape:* (2P, 4C).
        bias: With the forget gate's constant. *Shape:* (4C,).
        projection: *Shape:* (C, P), or None.
        cell_clip: Bound of the cells, or None.
        proj_clip: Bound of the projected output, or None.
    """

    weight: Tensor
    bias: Tensor
    projection: Tensor | None
    cell_clip: float | None
    proj_clip: float | None

    @classmethod
    def of(cls, layer: LSTMLayer, dtype: torch.dtype) -> FastLayer:
        """Make a layer ready.

        Args:
            layer: The layer.
            dtype: Float type of the products.
        """
        projection = layer.projection
        return cls(
            weight=layer.weight.to(dtype).t(),
            bias=layer.working_bias().to(dtype),
            projection=None if projection is None else projection.to(dtype).t(),
            cell_clip=layer.cell_clip,
            proj_clip=layer.proj_clip,
        )

    def run(
        self, inputs: Tensor, batch_sizes: Sequence[int], h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run over packed rows (`bilm/packing.py`).

        Args:
            inputs: *Shape:* (sum(batch_sizes), P).
            batch_sizes: Rows in each step, never growing.
            h: State that every row starts from. *Shape:* (1, P).
            c: The same of the cells. *Shape:* (1, C).

        Returns:
            The outputs, *Shape:* (sum(batch_sizes), P), and each row's last h and c.
        """
        n_rows = batch_sizes[0] if len(batch_sizes) else 0
        n_cells, width = c.shape[1], inputs.shape[1]
        dtype = self.weight.dtype
        outputs = torch.empty_like(inputs)
        # Input and recurrent input side by side: a step's gates are one product, into one buffer.
        joined = inputs.new_empty(n_rows, 2 * width, dtype=dtype)
        joined[:, width:] = h
        cells = c.expand(n_rows, n_cells).clone()
        # Before their projection. Cells, and what is computed from them, have the inputs' type.
        outputs_buffer = inputs.new_empty(n_rows, n_cells, dtype=dtype)
        cell_step = lstm_cell(dtype, inputs.dtype, inputs.device)
        start = 0
        steps = self._gates(inputs, joined, batch_sizes)
        for size, products in zip(batch_sizes, steps, strict=True):
            end = start + size
            hidden = joined[:size, width:]
            output = outputs_buffer[:size]
            cell_step(products, cells[:size], output, self.cell_clip)
            if self.projection is None:
                hidden.copy_(output)
            else:
                torch.mm(output, self.projection, out=hidden)
                if self.proj_clip is not None:
                    hidden.clamp_(-self.proj_clip, self.proj_clip)
            outputs[start:end] = hidden
            start = end
        return outputs, joined[:, width:].to(inputs.dtype), cells

    def _gates(
        self, inputs: Tensor, joined: Tensor, batch_sizes: Sequence[int]
    ) -> Iterator[Tensor]:
        """Gates of one step after the other, before their nonlinearities; to be overwritten.

        Whenever a step is asked for, `joined` holds what the step before gave in its right half.
        """
        width = inputs.shape[1]
        gates_buffer = joined.new_empty(len(joined), len(self.bias))
        many_weights = self.weight.numel() > MANY_WEIGHTS
        start = 0
        for number, size in enumerate(batch_sizes):
            if many_weights and size <= FEW_ROWS:
                yield from self._few_gates(inputs[start:], joined, batch_sizes[number:])
                return
            step = joined[:size]
            step[:, :width] = inputs[start : start + size]
            yield torch.addmm(self.bias, step, self.weight, out=gates_buffer[:size])
            start += size

    def _few_gates(
        self, inputs: Tensor, joined: Tensor, batch_sizes: Sequence[int]
    ) -> Iterator[Tensor]:
        """The same for few rows, the input's half of the product for some steps at once."""
        width = inputs.shape[1]
        of_input, of_hidden = self.weight[:width], self.weight[width:]
        end = 0
        for first in range(0, len(batch_sizes), STEPS_AT_ONCE):
            sizes = batch_sizes[first : first + STEPS_AT_ONCE]
            start, end = end, end + sum(sizes)
            products = torch.addmm(self.bias, inputs[start:end].to(joined.dtype), of_input)
            for size, gates in zip(sizes, products.split_with_sizes(sizes), strict=True):
                yield gates.addmm_(joined[:size, width:], of_hidden)
