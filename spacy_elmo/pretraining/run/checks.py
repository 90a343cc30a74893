"""Whether a checkpoint holds all that a training needs: asked before anything is restored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from spacy_elmo.errors import DamagedCheckpoint

Expected = Mapping[str, tuple[tuple[int, ...], torch.dtype]]
"""Shapes and types of tensors, by name."""

_MOST = 2**53  # more than any run counts


def check_tensors(tensors: Mapping[str, torch.Tensor], expected: Expected) -> None:
    """Check that tensors are there, of their shapes and types.

    Args:
        tensors: Those of the checkpoint; it may hold others besides.
        expected: What there must be.

    Raises:
        DamagedCheckpoint: Naming the first that is not.
    """
    for name, (shape, dtype) in expected.items():
        found = tensors.get(name)
        if found is None:
            raise DamagedCheckpoint(f"there is no tensor {name!r}")
        if (tuple(found.shape), found.dtype) != (shape, dtype):
            raise DamagedCheckpoint(
                f"tensor {name!r} is {found.dtype} {tuple(found.shape)}, expected {dtype} {shape}"
            )


def check_values(values: Mapping[str, Any], counts: tuple[str, ...]) -> None:
    """Check what every checkpoint holds besides tensors.

    Args:
        values: The JSON values.
        counts: Names of those that count something; time and the factor of the rate aside.

    Raises:
        DamagedCheckpoint: Naming the first that is missing or of another kind.
    """
    for name in counts:
        value = values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
            raise DamagedCheckpoint(f"{name} is {value!r}, expected a count")
    for name, least in (("seconds", 0.0), ("rate_factor", math.ulp(0.0))):
        value = values.get(name)
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not least <= value < math.inf
        ):
            raise DamagedCheckpoint(f"{name} is {value!r}, expected a number")
    for name in ("config", "corpus"):
        if not isinstance(values.get(name), dict):
            raise DamagedCheckpoint(f"{name} is missing, or no object of keys")
