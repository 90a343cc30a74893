"""Which layers of the network are written, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spacy_elmo.types import Floats

AVERAGE = "average"
NAMES = ("all", "top", AVERAGE, "token")


@dataclass(frozen=True)
class LayerChoice:
    """A choice of layers.

    Attributes:
        numbers: Numbers of the layers, 0 the token layer; None: the plain mean of all.
        several: Whether the arrays have an axis of layers.
    """

    numbers: tuple[int, ...] | None
    several: bool

    @property
    def labels(self) -> list[str]:
        """A name for each layer that is written: its number, or "average"."""
        return [AVERAGE] if self.numbers is None else list(map(str, self.numbers))

    def shape(self, width: int) -> tuple[int, ...]:
        """Shape of what is written of one token: (width,) or (n_layers, width)."""
        return (len(self.labels), width) if self.several else (width,)

    def select(self, layers: Floats) -> Floats:
        """What is written, one row per token.

        Args:
            layers: Of all layers, *Shape:* (n_outputs, n_tokens, width), or of their mean, *Shape:*
                (n_tokens, width), where that is what is written.

        Returns:
            *Shape:* (n_tokens, width) or (n_tokens, n_layers, width).
        """
        if self.numbers is None:
            return layers
        if not self.several:
            one: Floats = layers[self.numbers[0]]
            return one
        if self.numbers != tuple(range(len(layers))):  # else there is nothing to copy
            layers = layers[list(self.numbers)]
        return layers.swapaxes(0, 1)


def choose_layers(layers: str | int | Sequence[int], n_outputs: int) -> LayerChoice:
    """The choice that is meant.

    Args:
        layers: "all", "top", "average" (the plain mean), "token", or numbers from 0, the token
            layer: 1, [0, 2], "0,2".
        n_outputs: Layers of the network, the token layer among them.

    Raises:
        ValueError: For anything else.

    >>> choose_layers("0,2", 3).numbers, choose_layers("top", 3).several
    ((0, 2), False)
    """
    if layers == "all":
        return LayerChoice(tuple(range(n_outputs)), True)
    if layers == "top":
        return LayerChoice((n_outputs - 1,), False)
    if layers == "token":
        return LayerChoice((0,), False)
    if layers == AVERAGE:
        return LayerChoice(None, False)
    parts = layers.split(",") if isinstance(layers, str) else layers
    try:
        numbers = tuple(int(part) for part in ([parts] if isinstance(parts, int) else parts))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or not all(0 <= number < n_outputs for number in numbers):
        raise ValueError(
            f"layers is {layers!r}: expected one of {', '.join(NAMES)}, or numbers from 0 (the "
            f"token layer) to {n_outputs - 1}, separated by commas"
        )
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"layers is {layers!r}: a layer is named twice")
    return LayerChoice(numbers, len(numbers) > 1)


def pool_mean(rows: Floats, words: Sequence[int] | np.ndarray | None) -> Floats:
    """The mean over the words of an entry, zeros if there are none.

    Args:
        rows: *Shape:* (n_tokens, ...).
        words: The tokens that are words; None: all of them.

    Returns:
        *Shape:* (...).
    """
    kept = rows if words is None else rows[words]
    if not len(kept):
        return np.zeros(rows.shape[1:], dtype=np.float32)
    mean: Floats = kept.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
