"""The size of a model."""

from __future__ import annotations

from torch import nn


def n_parameters(lm: nn.Module) -> int:
    """Number of trained values that vectors depend on: all but those of the softmax."""
    named = lm.named_parameters()
    return sum(values.numel() for name, values in named if not name.startswith("softmax."))
