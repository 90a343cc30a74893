"""The order of the gates of an LSTM in PyTorch's libraries, and in ours."""

from __future__ import annotations

import torch
from torch import Tensor


def gate_rows(start: int, stop: int, n_rows: int) -> Tensor:
    """Where AllenNLP and ELMoForManyLangs have some of our rows.

    Their gates are input, forget, cell input, output; ours input, forget, output, cell input.

    Args:
        start: The first of our rows.
        stop: The row after the last.
        n_rows: Rows of all four gates.

    Returns:
        Numbers of rows. *Shape:* (stop - start,).

    >>> gate_rows(0, 8, 8).tolist()
    [0, 1, 2, 3, 6, 7, 4, 5]
    """
    rows = torch.arange(start, stop)
    gate = rows // (n_rows // 4)
    return rows + (n_rows // 4) * ((gate == 2).long() - (gate == 3).long())
