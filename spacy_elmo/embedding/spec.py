"""What is written: its shape, its number type, and where it comes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spacy_elmo.errors import EmbeddingError
from spacy_elmo.types import Array

DTYPES = ("float32", "float16")
POOLS = ("mean",)


@dataclass(frozen=True)
class Spec:
    """What the arrays of an output are.

    Attributes:
        width: Of a vector.
        layers: A name for each layer: its number, or "average".
        several: Whether the arrays have an axis of layers.
        dtype: "float32" or "float16".
        pool: None: a row per token; "mean": one row per entry.
        model: What the model was given by.
        sha256: Digest of its weights.

    Raises:
        ValueError: For an unknown number type or pooling.
    """

    width: int
    layers: tuple[str, ...] = ("average",)
    several: bool = False
    dtype: str = "float32"
    pool: str | None = None
    model: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}: expected one of {', '.join(DTYPES)}")
        if self.pool is not None and self.pool not in POOLS:
            raise ValueError(f"pool is {self.pool!r}: expected one of {', '.join(POOLS)}, or None")

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of a row: (width,) or (n_layers, width)."""
        return (len(self.layers), self.width) if self.several else (self.width,)

    @property
    def row_bytes(self) -> int:
        """Size of a row."""
        return int(np.prod(self.row_shape)) * np.dtype(self.dtype).itemsize

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "layers": list(self.layers)}

    def cast(self, number: int, rows: Array) -> Array:
        """Rows of an entry in the number type of the output.

        Args:
            number: The entry's, for the message.
            rows: *Shape:* (n_rows, *row_shape).

        Raises:
            EmbeddingError: For rows of another shape, and values too large for float16.
        """
        rows = np.asarray(rows)
        if rows.shape[1:] != self.row_shape:
            raise EmbeddingError(
                f"entry {number} has rows of shape {rows.shape[1:]}: expected {self.row_shape}"
            )
        try:
            with np.errstate(over="raise"):
                return rows.astype(self.dtype, copy=False)
        except FloatingPointError as error:
            raise EmbeddingError(
                f"entry {number} holds values too large for {self.dtype}: write float32"
            ) from error
