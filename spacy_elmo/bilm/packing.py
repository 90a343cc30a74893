"""Sentences of different lengths as rows packed by time step: nothing is padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spacy_elmo.types import Ints


@dataclass(frozen=True)
class Packing:
    """How the tokens of some sentences, one after the other, stand in packed rows.

    Attributes:
        order: Sentences from the longest to the shortest. *Shape:* (n_sentences,).
        batch_sizes: Sentences that take part in each step, never growing.
        forward: Token of each packed row, reading forwards: step 0 of every sentence in `order`,
            then step 1, and so on. *Shape:* (n_tokens,).
        backward: The same, reading backwards from each sentence's own last token.
    """

    order: Ints
    batch_sizes: list[int]
    forward: Ints
    backward: Ints

    def rows(self, direction: str) -> Ints:
        """Token of each packed row for "forward" or "backward"."""
        return self.forward if direction == "forward" else self.backward


def pack(lengths: Sequence[int] | Ints) -> Packing:
    """Pack sentences of the given lengths; ties keep their order.

    >>> pack([1, 3]).forward.tolist(), pack([1, 3]).batch_sizes
    ([1, 0, 2, 3], [2, 1, 1])
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes, kind="stable")
    starts = np.concatenate(([0], np.cumsum(sizes)))[:-1]
    n_steps = int(sizes.max(initial=0))
    shortest_first = np.sort(sizes)
    per_step = len(sizes) - np.searchsorted(shortest_first, np.arange(n_steps), side="right")
    step = np.repeat(np.arange(n_steps), per_step)
    before_step = np.cumsum(per_step) - per_step
    row = np.arange(len(step)) - np.repeat(before_step, per_step)
    sentence = order[row]
    first = starts[sentence]
    last = first + sizes[sentence] - 1
    return Packing(order, per_step.tolist(), first + step, last - step)
