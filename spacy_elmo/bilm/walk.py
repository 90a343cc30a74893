"""The way through the layers of one direction, whatever runs a layer.

The plain way, training, the warm state and scoring differ in how they run a layer and in what they
keep; the order of the layers, their states and the skip connections are the same for all, and stand
here. The fast way (`inference/engine.py`) writes each layer to where it is kept, so it has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from torch import Tensor

Layer = TypeVar("Layer")

# Runs a layer: its inputs, h and c before them, to its outputs, h and c after them.
Recurrence = Callable[[Layer, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def walk(
    recurrence: Recurrence[Layer],
    layers: Iterable[Layer],
    inputs: Tensor,
    h: Iterable[Tensor],
    c: Iterable[Tensor],
    *,
    skip: bool,
    dropout: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Run the layers of one direction, each on what the one below gives.

    Args:
        recurrence: Runs one layer.
        layers: The layers from the lowest to the highest.
        inputs: Token vectors, in the layout that the recurrence reads.
        h: State of each layer before the inputs.
        c: The same of the cells.
        skip: Whether layers above the first add their input to their output.
        dropout: Applied to the input of each layer. As in bilm-tf a skip connection adds the
            dropped input.

    Yields:
        Of each layer its outputs, skip connection included, and h and c after the inputs.
    """
    for number, (layer, before_h, before_c) in enumerate(zip(layers, h, c, strict=True)):
        if dropout is not None:
            inputs = dropout(inputs)
        outputs, after_h, after_c = recurrence(layer, inputs, before_h, before_c)
        if skip and number:
            # In place where no gradient needs the outputs: they are the largest tensor there is.
            outputs = outputs + inputs if outputs.requires_grad else outputs.add_(inputs)
        yield outputs, after_h, after_c
        inputs = outputs
