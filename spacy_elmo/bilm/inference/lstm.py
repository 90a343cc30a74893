"""An LSTM layer without gradients: the recurrent share of the fast path.

Same results as `LSTMLayer.forward` up to float32 rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.inference.product import Product, is_laid_out, product
from spacy_elmo.bilm.kernels.lstm_cell import lstm_cell
from spacy_elmo.bilm.kernels.lstm_output import lstm_output
from spacy_elmo.bilm.lstm import LSTMLayer

# Steps of so few rows spend their time on fetching weights, where these are too many for a
# processor's cache. The input's half of the product needs no waiting for the step before, so it is
# done for some steps at once: at 4096/512 a step of 1 to 16 rows takes half to two thirds of the
# time. With smaller weights two directions side by side take longer that way (1.9 ms, not 1.5, for
# a text at 1024/128).
FEW_ROWS = 48
STEPS_AT_ONCE = 16
# Of more weights there is no second copy: it would take the memory of the whole model again.
MANY_WEIGHTS = 2**22


@dataclass(frozen=True)
class FastLayer:
    """A layer's weights, ready for the products.

    Attributes:
        dtype: Float type of the products.
        n_bytes: Size of the gates' weights, which every step reads.
        gates: Of input and recurrent input, side by side, to the gates: 2P to 4C.
        halves: The same of the input and of the recurrent input by themselves, where the weights
            are many; None: they are few.
        bias: With the forget gate's constant. *Shape:* (4C,).
        project: C to P, or None.
        cell_clip: Bound of the cells, or None.
        proj_clip: Bound of the projected output, or None.
    """

    dtype: torch.dtype
    n_bytes: int
    gates: Product
    halves: tuple[Product, Product] | None
    bias: Tensor
    project: Product | None
    cell_clip: float | None
    proj_clip: float | None

    @classmethod
    def of(cls, layer: LSTMLayer, dtype: torch.dtype) -> FastLayer:
        """Make a layer ready.

        Args:
            layer: The layer.
            dtype: Float type of the products.
        """
        weight, projection = layer.weight.to(dtype), layer.projection
        width = layer.projection_dim
        is_small = weight.numel() <= MANY_WEIGHTS
        halves = None
        if not is_small and not is_laid_out(weight):
            halves = (
                product(weight[:, :width], copy=False),
                product(weight[:, width:], copy=False),
            )
        return cls(
            dtype=dtype,
            n_bytes=weight.nbytes,
            gates=product(weight, copy=is_small),
            halves=halves,
            bias=layer.working_bias(),
            project=None if projection is None else product(projection.to(dtype), copy=is_small),
            cell_clip=layer.cell_clip,
            proj_clip=layer.proj_clip,
        )

    def run(
        self,
        inputs: Tensor,
        out: Tensor,
        rows: Tensor,
        batch_sizes: Sequence[int],
        h: Tensor,
        c: Tensor,
        *,
        add_inputs: bool,
    ) -> tuple[Tensor, Tensor]:
        """Run over tokens in the order of packed rows (`bilm/packing.py`).

        Args:
            inputs: *Shape:* (n_tokens, P).
            out: For the outputs. *Shape:* (n_tokens, P).
            rows: Token of each packed row. *Shape:* (n_tokens,).
            batch_sizes: Rows in each step, never growing.
            h: State that every row starts from. *Shape:* (1, P).
            c: The same of the cells. *Shape:* (1, C).
            add_inputs: Whether the inputs are added to the outputs (skip connections).

        Returns:
            Each row's last h and c.
        """
        n_rows = batch_sizes[0] if len(batch_sizes) else 0
        n_cells, width = c.shape[1], inputs.shape[1]
        # Input and recurrent input side by side: a step's gates are one product.
        joined = inputs.new_empty(n_rows, 2 * width, dtype=self.dtype)
        joined[:, width:] = h
        # Cells, and what is computed from them, have the inputs' float type.
        cells = c.expand(n_rows, n_cells).clone()
        hidden = joined.new_empty(n_rows, n_cells)  # before its projection
        projected = joined.new_empty(n_rows, width)
        cell_step = lstm_cell(self.dtype, inputs.dtype, inputs.device)
        output_step = lstm_output(self.dtype, inputs.dtype, inputs.device)
        end = n_rows
        output_step(projected[:0], joined, inputs, out, rows[:end], None, False)
        steps = self._gates(inputs, rows, joined, batch_sizes)
        for size, after, products in zip(batch_sizes, [*batch_sizes, 0][1:], steps, strict=True):
            start, end = end - size, end + after
            values = hidden[:size]
            cell_step(products, self.bias, cells[:size], values, self.cell_clip)
            if self.project is not None:
                values = self.project(values, projected[:size])
            here = rows[start:end]
            output_step(values, joined, inputs, out, here, self.proj_clip, add_inputs)
        return joined[:, width:].to(inputs.dtype), cells

    def _gates(
        self, inputs: Tensor, rows: Tensor, joined: Tensor, batch_sizes: Sequence[int]
    ) -> Iterator[Tensor]:
        """Products of one step after the other, for the gates; to be overwritten.

        Whenever a step is asked for, `joined` holds its inputs and what the step before gave.
        """
        buffer = joined.new_empty(len(joined), len(self.bias))
        start = 0
        for number, size in enumerate(batch_sizes):
            if self.halves is not None and size <= FEW_ROWS:
                rest = inputs, rows[start:], joined, batch_sizes[number:]
                yield from self._few_gates(*rest, *self.halves)
                return
            yield self.gates(joined[:size], buffer[:size])
            start += size

    def _few_gates(
        self,
        inputs: Tensor,
        rows: Tensor,
        joined: Tensor,
        batch_sizes: Sequence[int],
        of_input: Product,
        of_hidden: Product,
    ) -> Iterator[Tensor]:
        """The same for few rows, the input's half of the product for some steps at once."""
        width = inputs.shape[1]
        buffer = joined.new_empty(batch_sizes[0], len(self.bias))
        end = 0
        for first in range(0, len(batch_sizes), STEPS_AT_ONCE):
            sizes = batch_sizes[first : first + STEPS_AT_ONCE]
            start, end = end, end + sum(sizes)
            read = inputs.index_select(0, rows[start:end]).to(joined.dtype)
            products = of_input(read, joined.new_empty(end - start, len(self.bias)))
            for size, gates in zip(sizes, products.split_with_sizes(sizes), strict=True):
                yield gates.add_(of_hidden(joined[:size, width:], buffer[:size]))
