"""Reading and writing tensors a block of rows at a time: checked, converted, without copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.errors import problem
from spacy_elmo.formats.tensors import AS_IS, Layout, Place
from spacy_elmo.types import Array, Shape

# Elements of a block (1 MB of float32): what loading needs beside the weights themselves.
BLOCK = 1 << 18

FLOATS = ("float16", "float32", "float64")
"""Number types in which weights of other libraries are stored."""


@dataclass(frozen=True)
class Stored:
    """A tensor in an open file, not yet read.

    Attributes:
        shape: Its shape there.
        dtype: Its number type, as numpy names it.
        read: From the first and the last row (exclusive) to those rows.
    """

    shape: Shape
    dtype: str
    read: Callable[[int, int], Array]


def read_tensors(
    path: Path,
    stored: Mapping[str, Stored],
    required: Iterable[Place],
    optional: Iterable[Place],
    *,
    dtypes: Iterable[str],
    described_by: str,
    device: str | torch.device,
) -> dict[str, Tensor]:
    """Read the tensors of a file, after comparing all of them with what should be there.

    Args:
        path: The file, for messages.
        stored: The tensors of the file, by key.
        required: What must be there.
        optional: What may be.
        dtypes: Number types allowed.
        described_by: The file that names and shapes were taken from.
        device: Where the tensors go.

    Returns:
        Float32 tensors by our names.

    Raises:
        WeightsError: At the first tensor that is missing, unknown, of another shape or type, or
            that holds values no weight can have.
    """
    advice = f"The file is damaged, or {described_by} describes another model"
    wanted = []
    for place in required:  # may have no end that is worth reaching, in damaged options
        if place.key not in stored:
            what = f"is missing, expected with shape {place.shape_in_file}"
            raise problem(path, what, advice, tensor=place.key)
        wanted.append(place)
    wanted += [place for place in optional if place.key in stored]
    for key in sorted(stored.keys() - {place.key for place in wanted}):
        what = f"is unknown (shape {stored[key].shape})"
        raise problem(path, what, advice, tensor=key)
    for place in wanted:
        found, expected = stored[place.key], place.shape_in_file
        if found.shape != expected:
            what = f"has shape {found.shape}, expected {expected}"
            raise problem(path, what, advice, tensor=place.key)
        if found.dtype not in dtypes:
            what = f"holds {found.dtype} values, expected {' or '.join(dtypes)}"
            raise problem(path, what, "Convert it", tensor=place.key)
    return {place.name: _read(path, place, stored[place.key], device) for place in wanted}


def check_finite(path: Path, name: str, tensor: Tensor, dtype: torch.dtype) -> None:
    """Check values that are to be written.

    Args:
        path: Where they go, for messages.
        name: Name of the tensor.
        tensor: The values.
        dtype: The number type they will have there.

    Raises:
        WeightsError: For NaN, infinities, and values that are too large for `dtype`.
    """
    for start, stop in ranges(tuple(tensor.shape)):
        rows = tensor.detach()[start:stop]
        if not torch.isfinite(rows.to(dtype)).all():
            what = "holds NaN or infinite values"
            if torch.isfinite(rows).all():
                what = f"holds values too large for {str(dtype).removeprefix('torch.')}"
            raise problem(path, what, "Nothing was written", tensor=name)


def file_rows(tensor: Tensor, layout: Layout = AS_IS) -> Iterator[tuple[int, int, Tensor]]:
    """The rows of a tensor as a file arranges them: first, last (exclusive), rows on the CPU."""
    source = layout.view(tensor.detach())
    for start, stop in ranges(tuple(source.shape)):
        yield start, stop, layout.to_file(source[start:stop].cpu())


def ranges(shape: Shape) -> Iterator[tuple[int, int]]:
    """Ranges of rows that together are a tensor, each of about `BLOCK` elements.

    >>> list(ranges((5, BLOCK // 2)))
    [(0, 2), (2, 4), (4, 5)]
    """
    if len(shape) == 1:
        # A bias: never large, and its only axis may be that of the gates.
        yield 0, shape[0]
        return
    step = max(1, BLOCK // max(1, int(np.prod(shape[1:]))))
    for start in range(0, shape[0], step):
        yield start, min(start + step, shape[0])


def _read(path: Path, place: Place, stored: Stored, device: str | torch.device) -> Tensor:
    tensor = torch.empty(place.shape, dtype=torch.float32, device=device)
    target = place.layout.view(tensor)
    for start, stop in ranges(stored.shape):
        values = stored.read(start, stop)
        with np.errstate(over="ignore"):
            rows = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        if not torch.isfinite(rows).all():
            what = "holds NaN or infinite values"
            if np.isfinite(values).all():
                what = "holds values too large for float32"
            raise problem(path, what, "Get the weights anew", tensor=place.key)
        target[start:stop] = place.layout.from_file(rows)
    return tensor
