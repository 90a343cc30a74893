"""Text to a prepared corpus.

Two passes. The first segments the input, in any number of processes, numbers the types as they come
and writes these provisional ids to disk. The second renumbers them by frequency. In memory there
is never more than the table of types and a few blocks of text.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.errors import CorpusError
from spacy_elmo.pretraining.corpus.corpus import FORMAT, VERSION
from spacy_elmo.pretraining.corpus.ranking import order_types
from spacy_elmo.pretraining.corpus.reading import check_inputs, read_blocks
from spacy_elmo.pretraining.corpus.segmentation import Segmented, Settings
from spacy_elmo.pretraining.corpus.workers import segment_blocks
from spacy_elmo.vocabulary import UNK, VOCABULARY_FILE, read_vocabulary, write_vocabulary

COUNTS = {
    "documents": "documents read from .spacy files",
    "lines": "lines read",
    "empty_lines": "empty lines left out",
    "undecodable_bytes": "undecodable bytes replaced by U+FFFD",
    "cut_lines": "cuts within lines of more than a megabyte",
    "cut_runs": "runs of more than 1,000 characters without a space cut",
    "boundary_symbols": "tokens <S> and </S> left out",
}
"""What `corpus.json` counts besides its sizes, and what that means."""
READ = ("documents", "lines")
"""Those of them that count what was read; the others what was left out or repaired."""

_BUFFER = 1 << 20  # ids copied at a time


def prepare(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    language: str = "en",
    pipeline: str | None = None,
    tokenized: bool = False,
    max_vocab: int = 50_000,
    min_count: int = 3,
    vocabulary: str | Path | None = None,
    max_characters: int = 50,
    n_process: int = 1,
    force: bool = False,
    advance: Callable[[int], object] = lambda size: None,
) -> dict[str, Any]:
    """Turn text into a prepared corpus, for `Corpus` to read.

    The same input and options give the same bytes, whatever the number of processes. The folder
    appears when it is complete: until then it is called `<output>.partial`. Raw text and `.spacy`
    files need spaCy; text that is already tokenised does not.

    inputs: Files: plain text, one paragraph per line; `.jsonl` with a `text` (paragraphs, one per
        line) or `tokens` (the words of a sentence) in every line; `.spacy`. The first two also as
        `.gz`, `.bz2` or `.xz`. `-` is the standard input, as plain text.
    output: Folder to make.
    language: Language whose tokenizer is used; sentences are found as by the `sentencizer`.
    pipeline: Name or path of a pipeline to find words and sentences instead (sentences as by the
        `sentencizer` if it finds none).
    tokenized: Plain text is one sentence per line, its words separated by whitespace.
    max_vocab: Entries of the vocabulary at most, `<S>`, `</S>` and `<UNK>` among them.
    min_count: Occurrences that a word of the vocabulary must have.
    vocabulary: File (or folder with a `vocab.txt`) of a vocabulary to use as it is, as for
        held-out text; `max_vocab` and `min_count` then do nothing.
    max_characters: Characters (bytes) per word, the two word boundaries among them.
    n_process: Processes; -1 for all cores.
    force: Replace an existing corpus, or the remains of a run that was killed.
    advance: Called with the number of bytes (of files as stored) read since the last call.

    Returns what `corpus.json` holds: sizes, settings, and counts of what was dropped and repaired.

    Raises `FileExistsError`, `FileNotFoundError`, `ValueError` for unusable input or options or
    input without a single word, and `ChildProcessError` if a worker process is killed.
    """
    sources = check_inputs(inputs, tokenized)
    if max_characters < 3:
        raise ValueError(f"max_characters must be at least 3, not {max_characters}")
    if max_vocab < 3:
        raise ValueError(f"max_vocab must be at least 3, not {max_vocab}")
    known = None if vocabulary is None else _read_vocabulary(Path(vocabulary))
    output = Path(output)
    partial = output.with_name(output.name + ".partial")
    _make_room(output, partial, force)
    try:
        blocks = read_blocks(sources, advance)
        with _Spilled(partial) as spilled:
            for parts, counts in segment_blocks(blocks, Settings(language, pipeline), n_process):
                spilled.add(parts, counts)
        types, n_vocabulary = order_types(
            spilled.occurrences(), max_vocab=max_vocab, min_count=min_count, vocabulary=known
        )
        meta = spilled.write(types, n_vocabulary, max_characters)
        meta |= {"language": language, "pipeline": pipeline, "tokenized": tokenized}
        (partial / "corpus.json").write_text(json.dumps(meta, indent=2) + "\n", "utf8")
        _put_in_place(partial, output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return meta


class _Spilled:
    """The running text on disk, under provisional ids; their table of types in memory.

    A context, within which text can be added.

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

    def __enter__(self) -> _Spilled:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ids_file.close()
        self._lengths_file.close()

    def add(self, parts: Iterable[Segmented], counts: Counter[str]) -> None:
        """Take the sentences of a block, and the counts that go with it."""
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
        """How often each type occurs, by provisional id."""
        if not self.numbers:
            raise ValueError("the input holds not a single word")
        return dict(zip(self.numbers, self._occurrences.tolist(), strict=False))

    def write(self, types: list[str], n_vocabulary: int, max_characters: int) -> dict[str, Any]:
        """Write everything but `corpus.json`, and return what that is to hold."""
        final = {word: number for number, word in enumerate(types)}
        renumber = np.fromiter((final[word] for word in self.numbers), np.uint32)
        del final
        occurrences = self._occurrences[: len(renumber)]
        unknown = (renumber >= n_vocabulary) | (renumber == UNK)
        n_tokens = int(occurrences.sum())
        n_sentences = self.lengths.stat().st_size // 4

        write_vocabulary(self.folder / VOCABULARY_FILE, types[:n_vocabulary])
        write_vocabulary(self.folder / "types.txt", types)
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
        }


def _read_vocabulary(path: Path) -> list[str]:
    """The vocabulary of a file, or of a folder (a prepared corpus, a model) that holds one."""
    path = path / VOCABULARY_FILE if path.is_dir() else path
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    return read_vocabulary(path, special="first", error=CorpusError)


def _append(file: IO[bytes], ids: NDArray[np.uint32]) -> None:
    file.write(ids.astype("<u4", copy=False).tobytes())


def _read(path: Path) -> Iterator[NDArray[np.uint32]]:
    with path.open("rb") as file:
        while len(block := np.fromfile(file, "<u4", _BUFFER)):
            yield block


def _offsets(lengths: Iterable[NDArray[np.uint32]]) -> Iterator[NDArray[np.int64]]:
    total = 0
    yield np.zeros(1, dtype=np.int64)
    for block in lengths:
        yield total + np.cumsum(block, dtype=np.int64)
        total += int(block.sum(dtype=np.int64))


def _write_array(path: Path, blocks: Iterable[NDArray[Any]], dtype: str, *shape: int) -> None:
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(block.astype(dtype, copy=False).tobytes())


def _make_room(output: Path, partial: Path, force: bool) -> None:
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        if not force:
            raise FileExistsError(
                f"{output} exists already: give another name, or force to replace it"
            )
        if not (output / "corpus.json").is_file():
            raise FileExistsError(
                f"{output} exists and is no prepared corpus, so it is not replaced"
            )
    if partial.exists():
        if not force:
            raise FileExistsError(
                f"{partial} exists: another run is at work on it, or was killed; in that case "
                "delete it, or force to start again"
            )
        shutil.rmtree(partial)
    partial.mkdir(parents=True)


def _put_in_place(partial: Path, output: Path) -> None:
    """Give the finished folder its name, once its files are on disk."""
    for path in partial.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    replaced = output.with_name(output.name + ".replaced")
    if output.exists():
        output.rename(replaced)
    partial.rename(output)
    if replaced.exists():
        shutil.rmtree(replaced)
