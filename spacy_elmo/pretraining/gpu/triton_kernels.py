"""The kernels of `cell` in Triton; see there for what they compute."""

from __future__ import annotations

import torch
import triton  # type: ignore[import-not-found,import-untyped,unused-ignore]
import triton.language as tl  # type: ignore[import-not-found,import-untyped,unused-ignore]
from torch import Tensor

BLOCK = 1024
COLUMNS = 4096


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _tanh(x):  # type: ignore[no-untyped-def]
    return 2.0 * tl.sigmoid(2.0 * x) - 1.0


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _forward(gates, before, after, hidden, n, n_cells, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    gate = gates + (place // n_cells).to(tl.int64) * (4 * n_cells) + place % n_cells
    i = tl.sigmoid(tl.load(gate, mask=inside, other=0.0).to(tl.float32))
    f = tl.sigmoid(tl.load(gate + n_cells, mask=inside, other=0.0).to(tl.float32))
    o = tl.sigmoid(tl.load(gate + 2 * n_cells, mask=inside, other=0.0).to(tl.float32))
    g = _tanh(tl.load(gate + 3 * n_cells, mask=inside, other=0.0).to(tl.float32))
    cell = f * tl.load(before + place, mask=inside, other=0.0) + i * g
    tl.store(after + place, cell, mask=inside)
    tl.store(hidden + place, (o * _tanh(cell)).to(hidden.dtype.element_ty), mask=inside)
    tl.store(gate, i.to(gates.dtype.element_ty), mask=inside)
    tl.store(gate + n_cells, f.to(gates.dtype.element_ty), mask=inside)
    tl.store(gate + 2 * n_cells, o.to(gates.dtype.element_ty), mask=inside)
    tl.store(gate + 3 * n_cells, g.to(gates.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _backward(gates, before, after, d_hidden, d_cell, n, n_cells, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    gate = gates + (place // n_cells).to(tl.int64) * (4 * n_cells) + place % n_cells
    i = tl.load(gate, mask=inside, other=0.0).to(tl.float32)
    f = tl.load(gate + n_cells, mask=inside, other=0.0).to(tl.float32)
    o = tl.load(gate + 2 * n_cells, mask=inside, other=0.0).to(tl.float32)
    g = tl.load(gate + 3 * n_cells, mask=inside, other=0.0).to(tl.float32)
    earlier = tl.load(before + place, mask=inside, other=0.0)
    squashed = _tanh(tl.load(after + place, mask=inside, other=0.0))
    d_output = tl.load(d_hidden + place, mask=inside, other=0.0).to(tl.float32)
    total = tl.load(d_cell + place, mask=inside, other=0.0)
    total += d_output * o * (1.0 - squashed * squashed)
    tl.store(d_cell + place, total * f, mask=inside)
    kind = gates.dtype.element_ty
    tl.store(gate, (total * g * i * (1.0 - i)).to(kind), mask=inside)
    tl.store(gate + n_cells, (total * earlier * f * (1.0 - f)).to(kind), mask=inside)
    tl.store(gate + 2 * n_cells, (d_output * squashed * o * (1.0 - o)).to(kind), mask=inside)
    tl.store(gate + 3 * n_cells, (total * i * (1.0 - g * g)).to(kind), mask=inside)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _softmax(logits, target, struck, losses, stride, n: tl.constexpr, COLUMNS: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    start = logits + row * stride
    own = tl.load(struck + row).to(tl.int32)
    wanted = tl.load(target + row)
    highest = wanted
    total = 1.0
    for first in range(0, n, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        counts = (column < n) & (column != own)
        value = tl.load(start + column, mask=counts, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(highest, tl.max(value, 0))
        total = total * tl.exp(highest - higher) + tl.sum(tl.exp(value - higher), 0)
        highest = higher
    whole = highest + tl.log(total)
    d_target = tl.exp(wanted - whole) - 1.0
    tl.store(losses + row, whole - wanted)
    tl.store(target + row, d_target)
    for first in range(0, n, COLUMNS):
        column = first + tl.arange(0, COLUMNS)
        value = tl.load(start + column, mask=column < n, other=0.0).to(tl.float32)
        share = tl.where(column == own, d_target, tl.exp(value - whole))
        tl.store(start + column, share.to(logits.dtype.element_ty), mask=column < n)


def cell_forward(gates: Tensor, before: Tensor, after: Tensor, hidden: Tensor) -> None:
    """See `cell.cell_forward`."""
    n = before.numel()
    grid = (triton.cdiv(n, BLOCK),)
    _forward[grid](gates, before, after, hidden, n, before.shape[1], BLOCK=BLOCK, num_warps=4)


def cell_backward(
    gates: Tensor, before: Tensor, after: Tensor, d_hidden: Tensor, d_cell: Tensor
) -> None:
    """See `cell.cell_backward`."""
    n = before.numel()
    grid = (triton.cdiv(n, BLOCK),)
    _backward[grid](
        gates, before, after, d_hidden, d_cell, n, before.shape[1], BLOCK=BLOCK, num_warps=4
    )


def softmax_rows(logits: Tensor, target: Tensor, struck: Tensor) -> Tensor:
    """See `cell.softmax_rows`."""
    rows, n = logits.shape
    losses = torch.empty(rows, device=logits.device)
    _softmax[(rows,)](
        logits, target, struck, losses, logits.stride(0), n, COLUMNS=COLUMNS, num_warps=8
    )
    return losses
