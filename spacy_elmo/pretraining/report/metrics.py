"""Losses of some steps, for the log: added up on the device, asked for only when they are told."""

from __future__ import annotations

import math
import time
from typing import Any

from torch import Tensor

from spacy_elmo.pretraining.perplexity.exact import Perplexity


class Meter:
    """Adds up losses between two reports.

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

    def report(self) -> dict[str, Any]:
        """Mean loss per direction, norm of the last gradients, tokens per second; starts anew."""
        assert self.losses is not None
        assert self.norm is not None
        entry = {
            "loss": [round(value / self.n_positions, 4) for value in self.losses.tolist()],
            "norm": round(self.norm.item(), 4),
            "tokens_per_second": round(self.n_positions / (time.monotonic() - self.began)),
        }
        self.restart()
        return entry


def perplexity_of(losses: list[float]) -> float:
    """exp of the mean, or infinity where that overflows.

    >>> perplexity_of([0.0, 0.0])
    1.0
    """
    mean = sum(losses) / len(losses)
    return math.exp(mean) if mean < 700.0 else math.inf


def time_left(seconds: float, share: float) -> str:
    """Time left at the same pace, once a share of the work has taken so many seconds.

    >>> time_left(60.0, 0.25)
    '0:03:00'
    """
    if share <= 0.0:
        return "?"
    left = round(seconds * max(0.0, 1.0 - share) / share)
    return f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"


def describe(found: Perplexity) -> str:
    """Perplexities in words."""
    names = ("forward", "backward")
    each = ", ".join(
        f"{name} {value:.1f}" for name, value in zip(names, found.directions, strict=False)
    )
    return (
        f"held-out perplexity {found.average:.1f} ({each}; {found.n_tokens:,} tokens, "
        f"{found.unknown_rate:.1%} unknown)"
    )
