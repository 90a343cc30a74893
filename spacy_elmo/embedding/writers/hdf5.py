"""`.hdf5`, `.h5`: as the `elmo` command of AllenNLP wrote it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from spacy_elmo.embedding.entries import Entry
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.store import Stored, StoreWriter
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.formats.hdf5.library import import_h5py
from spacy_elmo.types import Array

INDEX = "sentence_to_index"


class Hdf5Writer(StoreWriter):
    """Writes a dataset per entry, "0", "1", ...; see `Writer`.

    Datasets are (layers, tokens, width) or (tokens, width). A further one, `sentence_to_index`,
    holds as JSON the number of each text, the last one's where several are the same. So AllenNLP's
    `elmo` command wrote it (v0.9.0, allennlp/commands/elmo.py).

    Args:
        path: The output.
        spec: What is written.
        use_sentence_keys: The texts are the names of the datasets instead; `/` in them makes
            groups.
        forget_sentences: Leave out `sentence_to_index`, which takes memory for all texts.
        options: Of `StoreWriter`.
    """

    suffixes = (".hdf5", ".h5")
    compressions = ("none", "gzip", "lzf")
    keeps_texts = True
    entry_bytes = 800

    def __init__(
        self,
        path: str | Path,
        spec: Spec,
        *,
        use_sentence_keys: bool = False,
        forget_sentences: bool = False,
        **options: Any,
    ) -> None:
        self.use_sentence_keys = use_sentence_keys
        self.forget_sentences = forget_sentences
        super().__init__(path, spec, **options)
        self._h5py = import_h5py(Path(path))
        self._seen: set[bytes] = set()

    def identity(self) -> dict[str, Any]:
        """Options of the format that make a difference to the output."""
        return {
            **super().identity(),
            "use_sentence_keys": self.use_sentence_keys,
            "forget_sentences": self.forget_sentences,
        }

    def _open(self, state: dict[str, Any]) -> None:
        super()._open(state)
        self._seen.clear()
        if self.use_sentence_keys:
            for number, (text, _, _) in enumerate(self._kept_texts()):
                self._check_key(number, text)

    def _write(self, entry: Entry, rows: Array) -> None:
        if self.use_sentence_keys:
            self._check_key(self.n_entries, entry.text)
        super()._write(entry, rows)

    def _check_key(self, number: int, text: str) -> None:
        """Refuse a text that cannot name a dataset beside those before."""
        key = text.strip()
        parts = key.split("/")
        where = f"entry {number}, {key!r:.80},"
        if "\0" in key or any(part in ("", ".") for part in parts):
            raise EmbeddingError(
                f"{where} cannot name a dataset: leave out the sentence keys (numbers are used)"
            )
        try:
            key.encode("utf8")
        except UnicodeEncodeError as error:
            raise EmbeddingError(
                f"{where} holds half a character ({error.reason}), which cannot name a dataset: "
                "repair the text, or leave out the sentence keys (numbers are used)"
            ) from error
        digests = [_digest("/".join(parts[: k + 1])) for k in range(len(parts))]
        if digests[-1] in self._seen or any(b"=" + each in self._seen for each in digests[:-1]):
            raise EmbeddingError(
                f"{where} names a dataset that is there already, or a part of its name does: leave "
                "out the sentence keys (numbers are used), or the duplicates"
            )
        # A name by itself is one of a group, too, for what comes later.
        self._seen.update(digests)
        self._seen.add(b"=" + digests[-1])

    def _put_together(self, out: Path) -> None:
        options: dict[str, Any] = {"track_times": False}
        if self.compression != "none":
            options["compression"] = self.compression
        index: dict[str, str] = {}
        with self._h5py.File(out / self.path.name, "w") as file:
            for stored in self._stored():
                array = self._in_layers(stored)
                # What is empty cannot be cut in chunks.
                chosen = options if array.size else {"track_times": False}
                file.create_dataset(self._key(stored), data=array, **chosen)
                if not self.use_sentence_keys and not self.forget_sentences:
                    index[stored.text.strip()] = str(stored.number)
            if not self.use_sentence_keys and not self.forget_sentences:
                text = self._h5py.string_dtype(encoding="utf-8")
                dataset = file.create_dataset(INDEX, (1,), dtype=text, track_times=False)
                dataset[0] = json.dumps(index)

    def _key(self, stored: Stored) -> str:
        return stored.text.strip() if self.use_sentence_keys else str(stored.number)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf8"), digest_size=16).digest()
