"""The character CNN with gradients: the largest value of each filter over a word.

Compiled, filters are not products but sums of table entries: what a filter makes of a character at
one of its offsets does not depend on the word, so it is computed once for all. Backward goes only
through the place where the largest value was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.addresses import rows, whole

# Filters that the kernel computes at once (`BLOCK` in kernels.c).
BLOCK = 32
# Places are kept as 16-bit numbers.
MOST_POSITIONS = 2**15


def instruction_set_for(dtype: torch.dtype, device: torch.device) -> str | None:
    """What the kernel uses for characters' vectors of a kind; None: PyTorch computes."""
    return loader.instruction_set_for(dtype, dtype, device)


def largest_features(table: Tensor, weights: Sequence[Tensor], ids: Tensor) -> Tensor:
    """Largest value of each filter over all windows of a word, without the filters' biases.

    Where two windows give the same, the first gets the gradient.

    Args:
        table: Vector of each character. *Shape:* (n_characters, depth).
        weights: Filters of each width. *Shape:* each (n_filters, depth, width).
        ids: Rows of `table`, int64. *Shape:* (n_words, n_positions).

    Returns:
        *Shape:* (n_words, sum of n_filters).

    Raises:
        IndexError: An id is no row of the table.
    """
    instruction_set = instruction_set_for(table.dtype, table.device)
    if instruction_set is None or ids.shape[1] > MOST_POSITIONS:
        return by_pytorch(table, weights, ids)
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < len(table):
        raise IndexError(f"an id of a character is not below {len(table)}, the number of vectors")
    ids = ids.contiguous()
    lengths = _lengths(ids)
    parts: list[Tensor] = []
    for weight in weights:
        sums = _table_of_sums(table, weight)
        parts.append(
            _Largest.apply(  # type: ignore[no-untyped-call]
                sums, ids, lengths, len(weight), instruction_set
            )
        )
    return torch.cat(parts, dim=1)


def by_pytorch(table: Tensor, weights: Sequence[Tensor], ids: Tensor) -> Tensor:
    """The same by PyTorch's convolutions."""
    characters = F.embedding(ids, table).transpose(1, 2)
    features = [F.conv1d(characters, weight).max(dim=2).values for weight in weights]
    return torch.cat(features, dim=1)


def _table_of_sums(table: Tensor, weight: Tensor) -> Tensor:
    """What each filter makes of each character at each offset.

    Returns:
        The filters in blocks, the last one filled up. *Shape:* (n_blocks, width, n_characters,
        BLOCK).
    """
    n_filters, depth, width = weight.shape
    n_blocks = -(-n_filters // BLOCK)
    weight = F.pad(weight, (0, 0, 0, 0, 0, n_blocks * BLOCK - n_filters))
    by_block = weight.view(n_blocks, BLOCK, depth, width).permute(0, 3, 2, 1)
    with torch.autocast(table.device.type, enabled=False):
        return torch.matmul(table, by_block)


def _lengths(ids: Tensor) -> Tensor:
    """Where the equal characters begin that a word ends in. *Shape:* (n_words,)."""
    differs = ids != ids[:, -1:]
    places = torch.arange(1, ids.shape[1] + 1, device=ids.device)
    return (differs * places).amax(dim=1)


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, sums: Tensor, ids: Tensor, lengths: Tensor, n_filters: int, instruction_set: str
    ) -> Tensor:
        assert loader.extension is not None
        n_words, n_positions = ids.shape
        n_blocks, width, n_characters, block = sums.shape
        assert block == BLOCK
        assert (n_blocks - 1) * BLOCK < n_filters <= n_blocks * BLOCK
        assert width <= n_positions
        out = sums.new_empty(n_words, n_filters)
        places = torch.empty(n_words, n_filters, dtype=torch.int16)
        loader.extension.char_cnn(
            instruction_set,
            whole(sums.detach(), torch.float32),
            *rows(ids, torch.int64),
            whole(lengths, torch.int64),
            *rows(out, torch.float32),
            whole(places, torch.int16),
            n_words,
            n_positions,
            width,
            n_characters,
            n_filters,
        )
        ctx.instruction_set, ctx.shape = instruction_set, sums.shape
        ctx.save_for_backward(ids, places)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        assert loader.extension is not None
        ids, places = ctx.saved_tensors
        d_out = d_out.float().contiguous()
        d_sums = d_out.new_zeros(ctx.shape)
        _, width, n_characters, _ = ctx.shape
        loader.extension.char_cnn_backward(
            ctx.instruction_set,
            whole(d_sums, torch.float32),
            *rows(ids, torch.int64),
            whole(places, torch.int16),
            *rows(d_out, torch.float32),
            len(ids),
            width,
            n_characters,
            d_out.shape[1],
        )
        return d_sums, None, None, None, None
