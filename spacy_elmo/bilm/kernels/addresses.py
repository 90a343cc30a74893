"""Tensors as the kernels take them: by address, after a check of all that they rely on."""

from __future__ import annotations

import torch
from torch import Tensor


def rows(tensor: Tensor, dtype: torch.dtype) -> tuple[int, int]:
    """Address of a matrix, and how far apart its rows are; a row's elements are side by side."""
    # Asked some hundred times for a short text: few questions, as they take a tenth of its time.
    stride, step = tensor.stride()
    assert tensor.dtype == dtype
    assert tensor.is_cpu
    assert not tensor.requires_grad
    assert step == 1 or tensor.shape[1] < 2 or not len(tensor)
    return tensor.data_ptr(), stride


def whole(tensor: Tensor, dtype: torch.dtype) -> int:
    """Address of a tensor without gaps."""
    assert tensor.dtype == dtype
    assert tensor.device.type == "cpu"
    assert not tensor.requires_grad
    assert tensor.is_contiguous()
    return tensor.data_ptr()
