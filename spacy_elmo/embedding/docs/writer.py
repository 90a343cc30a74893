"""`.spacy`: Docs with their vectors, in shards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import DocBin

from spacy_elmo.embedding.entries import Entry
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.writer import Writer
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.files import link, new_file
from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.sentences import sentence_numbers
from spacy_elmo.types import Array

# The format ends at 2 GiB; a shard is closed when its arrays reach this, so it may pass it by one
# Doc.
SHARD_BYTES = 1 << 30
_MOST = (1 << 31) - (1 << 24)


class DocsWriter(Writer):
    """Writes Docs, with what `elmo` would leave on them, to `NAME-00000.spacy`, ...; see `Writer`.

    `doc._.elmo_vectors` is the layer that was asked for. Of several layers it is their mean, and
    `doc._.elmo_layers` is all of them, in the order in which they were named.

    Args:
        path: The output, `NAME.spacy`, whose shards get numbers.
        spec: What is written, in float32 and without pooling.
        attribute: Name of the extension attributes.
        force: Replace an output that exists, and what another run left.
        identity: What tells this run from others, beside `spec`.
    """

    suffixes = (".spacy",)
    needs_docs = True
    entry_bytes = 400

    def __init__(
        self,
        path: str | Path,
        spec: Spec,
        *,
        attribute: str = "elmo",
        force: bool = False,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        if spec.dtype != "float32":
            raise ValueError(f"vectors on Docs are float32: {spec.dtype} is not written to .spacy")
        if spec.pool:
            raise ValueError(f"a Doc pools its vectors itself: no {spec.pool!r} for .spacy")
        self.attribute = attribute
        super().__init__(path, spec, force=force, identity=identity)
        self._shards = 0
        self._size = 0
        self._docs = DocBin(store_user_data=True)

    def identity(self) -> dict[str, Any]:
        """Options of the format that make a difference to the output."""
        return {"attribute": self.attribute}

    def existing(self) -> list[Path]:
        """Shards of an output of this name that are there."""
        shard = re.compile(re.escape(self.path.stem) + r"-\d{5,}\.spacy")
        return sorted(p for p in self.path.parent.iterdir() if shard.fullmatch(p.name))

    def _open(self, state: dict[str, Any]) -> None:
        self._shards = state.get("shards", 0)

    def _write(self, entry: Entry, rows: Array) -> None:
        doc = entry.doc.copy()  # a caller's, with vectors of its own
        size = rows.nbytes + (rows.nbytes // len(self.spec.layers) if self.spec.several else 0)
        if size > _MOST:
            raise EmbeddingError(
                f"entry {self.n_entries} has {len(doc):,} tokens, too many for a .spacy file: "
                "write fewer layers, split the text, or write .npy or .parquet"
            )
        if self._size and self._size + size > _MOST:
            self._close_shard()
        vectors, layers = rows, None
        if self.spec.several:
            layers = np.ascontiguousarray(rows.swapaxes(0, 1))
            vectors = layers.mean(axis=0)
        numbers = sentence_numbers(doc).astype(np.int32)
        storage.write(doc, self.attribute, np.ascontiguousarray(vectors), numbers, layers=layers)
        self._docs.add(doc)
        self._size += size
        if self._size >= SHARD_BYTES:
            self._close_shard()

    def _close_shard(self) -> None:
        with new_file(self.folder / self._name(self._shards)) as aside:
            self._docs.to_disk(aside)
        self._shards += 1
        self._size = 0
        self._docs = DocBin(store_user_data=True)

    def _flush(self) -> dict[str, Any]:
        if len(self._docs):
            self._close_shard()
        return {"shards": self._shards}

    def _put_together(self, out: Path) -> None:
        if not self._shards:  # no entry at all
            self._close_shard()
        for number in range(self._shards):
            link(self.folder / self._name(number), out / self._name(number))

    def _name(self, number: int) -> str:
        return f"{self.path.stem}-{number:05d}.spacy"
