"""The gradients that listeners send back for the layers of a batch, added up."""

from __future__ import annotations

from collections.abc import Sequence

from thinc.api import Ops

from spacy_elmo.types import Array


class LayerGradients:
    """Sums of the gradients of each Doc's layers.

    Args:
        ops: Thinc's operations for the arrays.
        shapes: Shape of each Doc's layers.
    """

    def __init__(self, ops: Ops, shapes: Sequence[tuple[int, int, int]]) -> None:
        self.ops = ops
        self.shapes = list(shapes)
        self._sums: dict[int, Array] = {}
        self._edges: Array | None = None

    def add(self, gradients: Sequence[tuple[int, Array]], edges: Array | None = None) -> float:
        """Add one listener's.

        Args:
            gradients: The number of the Doc and the gradient of its layers.
            edges: The gradient of the edges that all Docs share, if it has one.

        Returns:
            The sum of the squares of the layers' gradients.
        """
        if edges is not None:
            self._edges = edges.copy() if self._edges is None else self._edges + edges
        squares = 0.0
        for index, gradient in gradients:
            squares += float((gradient**2).sum())
            if index not in self._sums:
                self._sums[index] = self.ops.alloc3f(*self.shapes[index])
            # Added, never kept: the sender may use its array again.
            self._sums[index] += gradient
        return squares

    def take_edges(self) -> Array | None:
        """The sum for the edges; None if nothing came."""
        edges, self._edges = self._edges, None
        return edges

    def take(self) -> list[Array] | None:
        """The sums of all Docs, zeros where nothing came; None if nothing came at all."""
        sums, self._sums = self._sums, {}
        if not sums:
            return None
        zeros = self.ops.alloc3f
        return [sums[k] if k in sums else zeros(*shape) for k, shape in enumerate(self.shapes)]
