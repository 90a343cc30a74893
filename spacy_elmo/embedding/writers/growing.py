"""Arrays on disk that grow by rows: `.npy` files whose header is written last."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from spacy_elmo.types import Array

# Room for any number of rows; a multiple of 64, as the format wants it.
HEADER_BYTES = 256
"""Size of the header."""
_MAGIC = b"\x93NUMPY\x01\x00"


class GrowingArray:
    """A `.npy` file that rows are added to.

    Args:
        path: The file.
        dtype: Its number type; little-endian on disk.
        row_shape: Shape of a row.
        n_rows: Rows that are there already; what follows them is cut off.
    """

    def __init__(
        self, path: Path, dtype: DTypeLike, row_shape: tuple[int, ...] = (), n_rows: int = 0
    ) -> None:
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.row_shape = row_shape
        self.n_rows = n_rows
        size = int(np.prod(row_shape)) * self.dtype.itemsize
        path.touch()
        self._file = path.open("r+b")
        self._file.truncate(HEADER_BYTES + n_rows * size)
        self._file.seek(0, os.SEEK_END)

    def append(self, rows: Array) -> None:
        """Add rows. *Shape:* (n, *row_shape)."""
        if rows.size:
            self._file.write(np.ascontiguousarray(rows, dtype=self.dtype).data.cast("B"))
        self.n_rows += len(rows)

    def flush(self) -> None:
        """Bring everything to disk, with a header that counts all rows."""
        shape = (self.n_rows, *self.row_shape)
        described = f"{{'descr': {self.dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}"
        length = HEADER_BYTES - len(_MAGIC) - 2
        header = described.encode("latin1").ljust(length - 1) + b"\n"
        self._file.seek(0)
        self._file.write(_MAGIC + length.to_bytes(2, "little") + header)
        self._file.seek(0, os.SEEK_END)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
