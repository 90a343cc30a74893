"""Gradients that downstream pipes send back to the language model, added up over one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from thinc.api import Ops

from spacy_elmo.pipeline.model.bilm import Array


class Gradients:
    """Waits for the gradients of a batch's layers, then sends their sum back once.

    Nobody says beforehand which listeners will answer: a pipe may be frozen or left out. So the
    way back is walked when all have answered, or when `send` is called.

    ops: Thinc's operations for the arrays.
    shapes: Shape of each Doc's layers.
    n_listeners: How many may answer.
    backprop: What to call with the sum.
    """

    def __init__(
        self,
        ops: Ops,
        shapes: Sequence[tuple[int, int, int]],
        n_listeners: int,
        backprop: Callable[[Sequence[Array]], None],
    ) -> None:
        self.ops = ops
        self.shapes = list(shapes)
        self.n_listeners = n_listeners
        self.backprop = backprop
        self.n_received = 0
        self.is_sent = False
        self.loss = 0.0
        self._sums: dict[int, Array] = {}

    def receive(self, gradients: Sequence[tuple[int, Array]]) -> None:
        """Take one listener's gradients: the number of the Doc and the gradient of its layers."""
        for index, gradient in gradients:
            self.loss += float((gradient**2).sum())
            if index not in self._sums:
                self._sums[index] = self.ops.alloc3f(*self.shapes[index])
            # Added, never kept: the sender may use its array again.
            self._sums[index] += gradient
        self.n_received += 1
        if self.n_received == self.n_listeners:
            self.send()

    def send(self) -> None:
        """Send back what has come, once; nothing if nothing has."""
        if self.is_sent or not self._sums:
            return
        self.is_sent = True
        sums, self._sums = self._sums, {}
        zeros = self.ops.alloc3f
        self.backprop(
            [sums[k] if k in sums else zeros(*shape) for k, shape in enumerate(self.shapes)]
        )
