"""The language model's parameters and Thinc's optimizers: steps, and averages of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from thinc.api import NumpyOps, Optimizer, torch2xp, xp2torch
from thinc.compat import has_cupy
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM


def take_step(lm: BiLM, key: int, optimizer: Optimizer, learn_rate_factor: float) -> None:
    """Give the optimizer every parameter that has a gradient.

    Args:
        lm: The network.
        key: What its parameters are known by, beside their names.
        optimizer: Thinc's.
        learn_rate_factor: What the learning rate is multiplied by.
    """
    changed = False
    with _scaled(optimizer, learn_rate_factor) as scale:
        for name, parameter in lm.named_parameters():
            if parameter.grad is None:
                continue
            data, gradient = _array(parameter.data), _array(parameter.grad)
            array, _ = optimizer((key, name), data, gradient, **scale)
            parameter.data = xp2torch(array, device=parameter.device)
            parameter.grad = None
            changed = True
    if changed:
        lm.weights_changed()


@contextmanager
def other_params(lm: BiLM, key: int, params: Mapping[Any, Any]) -> Iterator[None]:
    """Use other values of parameters, averages for instance, inside the block.

    Args:
        lm: The network.
        key: What its parameters are known by, beside their names.
        params: Values by key and name; those of other models may be among them.
    """
    named = dict(lm.named_parameters())
    own = {name: params[key, name] for name in named if (key, name) in params}
    if not own:
        yield
        return
    kept = {name: named[name].data for name in own}
    try:
        for name, array in own.items():
            named[name].data = xp2torch(array, device=named[name].device)
        lm.weights_changed()
        yield
    finally:
        for name, data in kept.items():
            named[name].data = data
        lm.weights_changed()


@contextmanager
def _scaled(optimizer: Optimizer, factor: float) -> Iterator[dict[str, float]]:
    """Multiply the learning rate inside the block. Yields what to call the optimizer with."""
    if factor == 1.0:
        yield {}
    elif not getattr(optimizer, "use_radam", False):
        yield {"lr_scale": factor}
    else:
        # Thinc's RAdam does not read lr_scale. The rate is a number until the next step of its
        # schedule, and nothing but the step of the weights reads it.
        rate = optimizer.learn_rate
        optimizer.learn_rate = rate * factor
        try:
            yield {}
        finally:
            optimizer.learn_rate = rate


def _array(tensor: Tensor) -> Any:
    """As an array for Thinc's optimizers, on the same device if cupy is there to hold it."""
    return torch2xp(tensor, ops=None if has_cupy else NumpyOps())
