"""`.parquet`: a row per token."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from spacy_elmo.embedding.entries import Entry
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.store import Stored, StoreWriter
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.types import Array

GROUP_BYTES = 32 << 20
"""About the size of a row group."""
GROUP_ENTRIES = 8192
"""Entries of one at most: short ones take more memory than their rows."""


class ParquetWriter(StoreWriter):
    """Writes columns `entry`, `token`, `text`, `start`, `end`, `vector`; see `Writer`.

    Several layers are `layer_0`, `layer_1`, ... in the place of `vector`. Pooled, there is a row
    per entry, of `entry`, `text` (the whole) and the vectors. The schema's metadata say what model
    they are of: `spacy_elmo.model`, `.sha256`, `.layers`, `.version`.

    Args:
        path: The output.
        spec: What is written.
        options: Of `StoreWriter`.
    """

    suffixes = (".parquet",)
    compressions = ("snappy", "none", "zstd", "gzip", "lz4", "brotli")
    keeps_texts = True
    entry_bytes = 40

    def __init__(self, path: str | Path, spec: Spec, **options: Any) -> None:
        super().__init__(path, spec, **options)
        self._pa = import_pyarrow(str(path))

    def _write(self, entry: Entry, rows: Array) -> None:
        try:
            entry.text.encode("utf8")
        except UnicodeEncodeError as error:
            raise EmbeddingError(
                f"entry {self.n_entries} holds half a character ({error.reason}), which is no "
                "UTF-8: repair the text"
            ) from error
        super()._write(entry, rows)

    def _put_together(self, out: Path) -> None:
        from pyarrow.parquet import ParquetWriter as Target

        pa, spec = self._pa, self.spec
        where = (
            [("entry", pa.int64()), ("text", pa.string())]
            if spec.pool
            else [
                ("entry", pa.int64()),
                ("token", pa.int32()),
                ("text", pa.string()),
                ("start", pa.int32()),
                ("end", pa.int32()),
            ]
        )
        vector = pa.list_(pa.from_numpy_dtype(spec.dtype), spec.width)
        schema = pa.schema([*where, *((name, vector) for name in vector_columns(spec))])
        schema = schema.with_metadata(metadata(spec))
        words = [name for name, _ in where]
        with Target(
            out / self.path.name, schema, compression=self.compression, use_dictionary=words
        ) as target:
            for group in self._groups():
                target.write_table(self._table(group, schema))

    def _groups(self) -> Iterator[list[Stored]]:
        group: list[Stored] = []
        size = 0
        for stored in self._stored():
            group.append(stored)
            size += len(stored.rows) * self.spec.row_bytes
            if size >= GROUP_BYTES or len(group) == GROUP_ENTRIES:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _table(self, group: list[Stored], schema: Any) -> Any:
        pa = self._pa
        lengths = [len(stored.rows) for stored in group]
        numbers = np.repeat([stored.number for stored in group], lengths).astype(np.int64)
        rows = np.concatenate([stored.rows for stored in group])
        columns: list[Any] = [pa.array(numbers)]
        if self.spec.pool:
            columns.append(pa.array([stored.text for stored in group], pa.string()))
        else:
            tokens = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
            texts = [
                stored.text[start:end]
                for stored in group
                for start, end in zip(stored.starts, stored.ends, strict=True)
            ]
            starts = list(chain.from_iterable(stored.starts for stored in group))
            ends = list(chain.from_iterable(stored.ends for stored in group))
            columns += [
                pa.array(tokens),
                pa.array(texts, pa.string()),
                pa.array(starts, pa.int32()),
                pa.array(ends, pa.int32()),
            ]
        layers = [rows] if not self.spec.several else [rows[:, k] for k in range(rows.shape[1])]
        for layer in layers:
            flat = pa.array(np.ascontiguousarray(layer).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, self.spec.width))
        return pa.Table.from_arrays(columns, schema=schema)


def vector_columns(spec: Spec) -> list[str]:
    """Names of the columns of vectors."""
    return [f"layer_{label}" for label in spec.layers] if spec.several else ["vector"]


def metadata(spec: Spec) -> dict[str, str]:
    """What a file says of the model."""
    from spacy_elmo import __version__

    return {
        "spacy_elmo.model": spec.model,
        "spacy_elmo.sha256": spec.sha256,
        "spacy_elmo.layers": ",".join(spec.layers),
        "spacy_elmo.version": __version__,
    }


def import_pyarrow(what: str) -> Any:
    """Import pyarrow.

    Args:
        what: What needs it, for messages.

    Raises:
        EmbeddingError: If it cannot be imported.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise EmbeddingError(
            f"{what} needs the package pyarrow, which cannot be imported ({error}): "
            'pip install "spacy-elmo[parquet]"'
        ) from error
    return pyarrow
