"""The states around each word: what its surroundings say of it, without the word itself.

Of a word it is the forward state of the word before it and the backward state of the word after it,
those that the language model predicts the word from. At the ends of a sentence the marks stand in:
the forward state of `<S>` and the backward state of `</S>`, together its *edges*.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spacy_elmo.types import Array, Ints


class Neighbours:
    """Which rows stand beside each other in a sentence.

    Args:
        sentences: Number of each row's sentence, -1 for what is no word. *Shape:* (n_rows,).
        n_directions: 2, or 1 for a forward-only model, whose context is what stands before alone.
    """

    def __init__(self, sentences: Ints, n_directions: int) -> None:
        words = np.flatnonzero(sentences >= 0)
        starts = np.diff(sentences[words], prepend=-1) != 0
        ends = np.append(starts[1:], True)[: len(words)]
        self.n_directions = n_directions
        self.first, self.last = words[starts], words[ends]
        # Pairs: the one row stands before the other.
        self.before, self.after = words[~ends], words[~starts]

    def gather(self, xp: Any, values: Array, edges: Array) -> Array:
        """The states around each row, zeros where no word is.

        Args:
            xp: numpy, or the array library of the device.
            values: States of the rows. *Shape:* (..., n_rows, width).
            edges: The forward state of `<S>`, and beside it the backward one of `</S>`.
                *Shape:* (..., width).

        Returns:
            *Shape:* (..., n_rows, width).
        """
        half = values.shape[-1] // self.n_directions
        found = xp.zeros_like(values)
        found[..., self.after, :half] = values[..., self.before, :half]
        found[..., self.first, :half] = edges[..., None, :half]
        if self.n_directions == 2:
            found[..., self.before, half:] = values[..., self.after, half:]
            found[..., self.last, half:] = edges[..., None, half:]
        return found

    def scatter(self, xp: Any, gradient: Array) -> tuple[Array, Array]:
        """Gradients of `gather`'s values and edges from that of its result.

        Args:
            xp: numpy, or the array library of the device.
            gradient: *Shape:* (..., n_rows, width).

        Returns:
            *Shape:* (..., n_rows, width) and (..., width).
        """
        half = gradient.shape[-1] // self.n_directions
        values = xp.zeros_like(gradient)
        edges = xp.zeros((*gradient.shape[:-2], gradient.shape[-1]), dtype=gradient.dtype)
        values[..., self.before, :half] = gradient[..., self.after, :half]
        edges[..., :half] = gradient[..., self.first, :half].sum(axis=-2)
        if self.n_directions == 2:
            values[..., self.after, half:] = gradient[..., self.before, half:]
            edges[..., half:] = gradient[..., self.last, half:].sum(axis=-2)
        return values, edges
