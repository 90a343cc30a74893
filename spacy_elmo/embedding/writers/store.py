"""The rows of all entries on disk, out of which the other formats are put together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spacy_elmo.embedding.entries import Entry
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.growing import HEADER_BYTES, GrowingArray
from spacy_elmo.embedding.writers.writer import Writer
from spacy_elmo.types import Array

ROWS, OFFSETS, TEXTS = "rows.npy", "offsets.npy", "texts.jsonl"


@dataclass(frozen=True)
class Stored:
    """An entry as it is kept.

    Attributes:
        number: Its number, from 0.
        text: Its text; "" where no texts are kept.
        starts: First character of each token.
        ends: One past the last character of each token.
        rows: *Shape:* (n_rows, *row_shape).
    """

    number: int
    text: str
    starts: list[int]
    ends: list[int]
    rows: Array


class StoreWriter(Writer):
    """Keeps rows in an array on disk, with the place of each entry in it; see `Writer`.

    Args:
        path: The output.
        spec: What is written.
        compression: One of `compressions`; None: the first.
        force: Replace an output that exists, and what another run left.
        identity: What tells this run from others, beside `spec`.
    """

    compressions: ClassVar[tuple[str, ...]] = ("none",)
    """What the output can be compressed by."""

    def __init__(
        self,
        path: str | Path,
        spec: Spec,
        *,
        compression: str | None = None,
        force: bool = False,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self.compression = compression or self.compressions[0]
        if self.compression not in self.compressions:
            raise ValueError(
                f"compression is {compression!r}: for {Path(path).suffix} expected "
                f"{', '.join(self.compressions)}"
            )
        super().__init__(path, spec, force=force, identity=identity)

    def identity(self) -> dict[str, Any]:
        """Options of the format that make a difference to the output."""
        return {"compression": self.compression}

    def _open(self, state: dict[str, Any]) -> None:
        spec = self.spec
        self._rows = GrowingArray(self.folder / ROWS, spec.dtype, spec.row_shape, self.n_rows)
        n_offsets = self.n_entries + 1 if state else 0
        self._offsets = GrowingArray(self.folder / OFFSETS, np.int64, (), n_offsets)
        if not state:
            self._offsets.append(np.zeros(1, dtype=np.int64))
        self._texts = None
        if self.keeps_texts:
            path = self.folder / TEXTS
            path.touch()
            self._texts = path.open("r+b")
            self._texts.truncate(state.get("text_bytes", 0))
            self._texts.seek(0, os.SEEK_END)

    def _write(self, entry: Entry, rows: Array) -> None:
        self._rows.append(rows)
        self._offsets.append(np.array([self._rows.n_rows], dtype=np.int64))
        if self._texts is not None:
            kept = [entry.text, entry.starts, entry.ends]
            self._texts.write(json.dumps(kept).encode("ascii") + b"\n")

    def _flush(self) -> dict[str, Any]:
        self._rows.flush()
        self._offsets.flush()
        if self._texts is None:
            return {"text_bytes": 0}
        self._texts.flush()
        os.fsync(self._texts.fileno())
        return {"text_bytes": self._texts.tell()}

    def _close(self) -> None:
        self._rows.close()
        self._offsets.close()
        if self._texts is not None:
            self._texts.close()

    def _stored(self) -> Iterator[Stored]:
        """All entries, in order. Read one by one: what is mapped into memory counts as used."""
        spec = self.spec
        offsets = np.load(self.folder / OFFSETS)
        texts = self._kept_texts()
        with (self.folder / ROWS).open("rb") as file:
            file.seek(HEADER_BYTES)
            for number in range(self.n_entries):
                text, starts, ends = next(texts)
                n_rows = int(offsets[number + 1] - offsets[number])
                values = np.frombuffer(file.read(n_rows * spec.row_bytes), dtype=spec.dtype)
                rows = values.reshape(n_rows, *spec.row_shape)
                yield Stored(number, text, starts, ends, rows)

    def _kept_texts(self) -> Iterator[tuple[str, list[int], list[int]]]:
        if not self.keeps_texts:
            while True:
                yield "", [], []
        with (self.folder / TEXTS).open("rb") as file:
            for line in file:
                text, starts, ends = json.loads(line)
                yield text, starts, ends

    def _in_layers(self, stored: Stored) -> Array:
        """The array of an entry, the layers first; without an axis of rows where it is pooled."""
        if self.spec.pool:
            return stored.rows[0]
        return stored.rows.swapaxes(0, 1) if self.spec.several else stored.rows
