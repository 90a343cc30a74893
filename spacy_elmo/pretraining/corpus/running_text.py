"""The running text while a corpus is prepared: provisional ids on disk, then the final files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.errors import CorpusError
from spacy_elmo.pretraining.corpus.checks import (
    CHECKSUM,
    FORMAT,
    TYPES_FILE,
    VERSION,
    checksum,
)
from spacy_elmo.pretraining.corpus.counts import COUNTS
from spacy_elmo.pretraining.corpus.segmentation import Segmented
from spacy_elmo.types import Array, Ints
from spacy_elmo.vocabulary import UNK, VOCABULARY_FILE, write_vocabulary

_BUFFER = 1 << 20  # ids copied at a time


class RunningText:
    """The running text on disk, under provisional ids; their table of types in memory.

    A context, within which text can be added.

    Args:
        folder: Of the corpus to be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids = folder / "provisional-ids"
        self.lengths = folder / "sentence-lengths"
        self.numbers: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self._occurrences = np.zeros(1 << 16, dtype=np.int64)
        self._ids_file = self.ids.open("wb")
        self._lengths_file = self.lengths.open("wb")

    def __enter__(self) -> RunningText:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ids_file.close()
        self._lengths_file.close()

    def add(self, parts: Iterable[Segmented], counts: Counter[str]) -> None:
        """Take the sentences of a block, and the counts that go with it.

        Args:
            parts: The sentences.
            counts: What was read, dropped and repaired in the block.
        """
        self.counts.update(counts)
        number = self.numbers.setdefault
        for part in parts:
            renumber = np.array(
                [number(word, len(self.numbers)) for word in part.words], dtype=np.uint32
            )
            while len(self._occurrences) < len(self.numbers):
                grown = np.zeros_like(self._occurrences)
                self._occurrences = np.concatenate([self._occurrences, grown])
            here = np.bincount(part.ids, minlength=len(part.words))
            np.add.at(self._occurrences, renumber, here)
            _append(self._ids_file, renumber[part.ids])
            _append(self._lengths_file, part.lengths)

    def occurrences(self) -> dict[str, int]:
        """How often each type occurs, by provisional id.

        Raises:
            CorpusError: If there is no word at all.
        """
        if not self.numbers:
            raise CorpusError("the input holds not a single word")
        return dict(zip(self.numbers, self._occurrences.tolist(), strict=False))

    def write(self, types: list[str], n_vocabulary: int, max_characters: int) -> dict[str, Any]:
        """Write everything but `corpus.json`.

        Args:
            types: All types, the vocabulary first.
            n_vocabulary: How many of them are the vocabulary.
            max_characters: Positions per word.

        Returns:
            What `corpus.json` is to hold.
        """
        final = {word: number for number, word in enumerate(types)}
        renumber = np.fromiter((final[word] for word in self.numbers), np.uint32)
        del final
        occurrences = self._occurrences[: len(renumber)]
        unknown = (renumber >= n_vocabulary) | (renumber == UNK)
        n_tokens = int(occurrences.sum())
        n_sentences = self.lengths.stat().st_size // 4

        write_vocabulary(self.folder / VOCABULARY_FILE, types[:n_vocabulary], error=CorpusError)
        write_vocabulary(self.folder / TYPES_FILE, types, error=CorpusError)
        tokens = (renumber[ids] for ids in _read(self.ids))
        _write_array(self.folder / "tokens.npy", tokens, "<u4", n_tokens)
        offsets = _offsets(_read(self.lengths))
        _write_array(self.folder / "sentences.npy", offsets, "<i8", n_sentences + 1)
        characters = (
            character_ids(types[start : start + 10_000], max_characters)
            for start in range(0, len(types), 10_000)
        )
        path = self.folder / "characters.npy"
        _write_array(path, characters, "<u2", len(types), max_characters)
        self.ids.unlink()
        self.lengths.unlink()
        return {
            "format": FORMAT,
            "version": VERSION,
            "n_tokens": n_tokens,
            "n_sentences": n_sentences,
            "n_types": len(types),
            "n_vocabulary": n_vocabulary,
            "max_characters_per_token": max_characters,
            "n_unknown": int(occurrences[unknown].sum()),
            **{name: self.counts[name] for name in COUNTS},
            CHECKSUM: checksum(self.folder),
        }


def _append(file: IO[bytes], ids: NDArray[np.uint32]) -> None:
    file.write(ids.astype("<u4", copy=False).tobytes())


def _read(path: Path) -> Iterator[NDArray[np.uint32]]:
    with path.open("rb") as file:
        while len(block := np.fromfile(file, "<u4", _BUFFER)):
            yield block


def _offsets(lengths: Iterable[NDArray[np.uint32]]) -> Iterator[Ints]:
    total = 0
    yield np.zeros(1, dtype=np.int64)
    for block in lengths:
        yield total + np.cumsum(block, dtype=np.int64)
        total += int(block.sum(dtype=np.int64))


def _write_array(path: Path, blocks: Iterable[Array], dtype: str, *shape: int) -> None:
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(block.astype(dtype, copy=False).tobytes())
