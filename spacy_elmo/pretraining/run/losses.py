"""Losses of some steps, added up on the device and asked for only when they are told."""

from __future__ import annotations

import math
import time

from torch import Tensor


class RunningLoss:
    """Adds up losses between two reports.

    Args:
        overflows: Whether gradients may overflow now and then (float16).
    """

    def __init__(self, *, overflows: bool) -> None:
        self.overflows = overflows
        self.restart()

    def restart(self) -> None:
        """Forget what was added."""
        self.losses: Tensor | None = None
        self.norm: Tensor | None = None
        self.n_positions = 0
        self.began = time.monotonic()

    def add(self, losses: Tensor, norm: Tensor, n_positions: int) -> None:
        """Add a step: its loss summed over positions, the gradients' norm."""
        self.losses = losses if self.losses is None else self.losses + losses
        self.norm = norm
        self.n_positions += n_positions

    def finite(self) -> bool:
        """Whether losses and gradients were finite. This waits for the device."""
        if self.losses is None or self.norm is None:
            return True
        values = self.losses.tolist()
        if not self.overflows:
            values.append(self.norm.item())
        return all(map(math.isfinite, values))

    def means(self) -> tuple[tuple[float, ...], float, float]:
        """Mean loss per direction, norm of the last gradients, tokens per second; starts anew."""
        assert self.losses is not None
        assert self.norm is not None
        found = (
            tuple(value / self.n_positions for value in self.losses.tolist()),
            self.norm.item(),
            self.n_positions / (time.monotonic() - self.began),
        )
        self.restart()
        return found
