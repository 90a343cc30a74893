"""An LSTM step's elementwise part in float64, for clarity."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def cells_after(gates: Array, cells: Array, clip: float | None) -> Array:
    """Cells after a step.

    gates: *Shape:* (n_rows, 4 * n_cells), in the order i, f, o, g.
    cells: *Shape:* (n_rows, n_cells).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        i, f, _, g = np.split(gates.astype(np.float64), 4, axis=1)
        after = sigmoid(f) * cells.astype(np.float64) + sigmoid(i) * np.tanh(g)
        return after if clip is None else np.clip(after, -np.float32(clip), np.float32(clip))


def outputs(gates: Array, cells: Array) -> Array:
    """Outputs of a step, from its cells."""
    with np.errstate(over="ignore", invalid="ignore"):
        o = np.split(gates.astype(np.float64), 4, axis=1)[2]
        return np.asarray(sigmoid(o) * np.tanh(cells.astype(np.float64)))


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
