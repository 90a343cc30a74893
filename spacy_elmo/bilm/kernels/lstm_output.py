"""What follows a step's projection: its clip, the state and input of the next step, the output."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.addresses import rows as rows_of
from spacy_elmo.bilm.kernels.addresses import whole

LSTMOutput = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float | None, bool], None]


def lstm_output(states: torch.dtype, vectors: torch.dtype, device: torch.device) -> LSTMOutput:
    """The fastest way there is for tensors of a kind.

    Args:
        states: Float type of the recurrent state.
        vectors: Float type of the layer's inputs and outputs.
        device: Where they are.

    Returns:
        A function of the projected outputs of a step, *Shape:* (n_rows, P); of the inputs of a
        product, input and state side by side, *Shape:* (at least n_rows, 2P), where it writes the
        states of all rows, and the inputs of the first rows, as many as the next step has; of the
        layer's inputs and outputs, *Shape:* (n_tokens, P), of which it reads the former and writes
        the latter; of the places there of this step's tokens, then of the next step's, *Shape:*
        (n_rows + n_next,); of the bound of the values, or None; and of whether the layer's inputs
        are added to its outputs.
    """
    instruction_set = loader.instruction_set_for(states, vectors, device)
    return by_pytorch if instruction_set is None else _Compiled(instruction_set, states)


@dataclass(frozen=True)
class _Compiled:
    """The compiled kernel in one instruction set and for one float type of the states."""

    instruction_set: str
    dtype: torch.dtype

    def __call__(
        self,
        values: Tensor,
        joined: Tensor,
        inputs: Tensor,
        out: Tensor,
        rows: Tensor,
        clip: float | None,
        add_inputs: bool,
    ) -> None:
        assert loader.extension is not None
        n_rows, width = values.shape
        n_next = len(rows) - n_rows
        assert n_next >= 0
        assert joined.shape[1] == 2 * width
        assert max(n_rows, n_next) <= len(joined)
        assert inputs.shape == out.shape
        assert inputs.shape[1] == width
        loader.extension.lstm_output(
            self.instruction_set,
            self.dtype == torch.bfloat16,
            *rows_of(values, self.dtype),
            *rows_of(joined, self.dtype),
            *rows_of(inputs, torch.float32),
            *rows_of(out, torch.float32),
            whole(rows, torch.int64),
            n_rows,
            n_next,
            width,
            math.inf if clip is None else clip,
            add_inputs,
        )


def by_pytorch(
    values: Tensor,
    joined: Tensor,
    inputs: Tensor,
    out: Tensor,
    rows: Tensor,
    clip: float | None,
    add_inputs: bool,
) -> None:
    """The same as a sequence of PyTorch's operations."""
    n_rows, width = values.shape
    here, after = rows[:n_rows], rows[n_rows:]
    hidden = joined[:n_rows, width:].copy_(values)
    if clip is not None:
        hidden.clamp_(-clip, clip)
    outputs = hidden.to(out.dtype)
    if add_inputs:
        outputs = outputs + inputs.index_select(0, here)
    out.index_copy_(0, here, outputs)
    joined[: len(after), :width] = inputs.index_select(0, after)
