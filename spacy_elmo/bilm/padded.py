"""Rows of several sentences in one tensor, the shorter ones filled up with zeros."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pad(rows: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Give each sentence the rows of the longest one.

    Args:
        rows: Of all sentences, one after the other. *Shape:* (n_layers, n_rows, width).
        lengths: Rows of each sentence.

    Returns:
        The rows, zeros behind the end of each sentence, *Shape:* (n_layers, n_sentences, n_tokens,
        width), and where there are rows, boolean, *Shape:* (n_sentences, n_tokens).

    >>> pad(torch.ones(1, 3, 2), [2, 1])[0][0, :, :, 0].tolist()
    [[1.0, 1.0], [1.0, 0.0]]
    """
    longest = max(lengths, default=0)
    ends = torch.tensor(lengths, dtype=torch.int64)
    mask = (torch.arange(longest)[None, :] < ends[:, None]).to(rows.device)
    padded = rows.new_zeros(len(rows), len(lengths), longest, rows.shape[-1])
    padded[:, mask] = rows
    return padded, mask
