"""Tensors as no kernel likes them: not aligned, rows apart, and the memory around them watched."""

from __future__ import annotations

import torch
from torch import Tensor

MARK = 7.5


def inside(values: Tensor, offset: int, gap: int) -> Tensor:
    """A matrix of the same values in a larger one: not aligned, its rows apart."""
    n_rows, n_columns = values.shape
    larger = torch.full((offset + n_rows * (n_columns + gap),), MARK, dtype=values.dtype)
    return larger[offset:].view(n_rows, n_columns + gap)[:, :n_columns].copy_(values)


def assert_nothing_beside_is_written(*tensors: Tensor) -> None:
    """Check the memory around tensors made by `inside`, whose values are lost."""
    for tensor in tensors:
        whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
        tensor.fill_(MARK)
        assert (whole == MARK).all()
