"""How much an output will take, found out before it is made."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy_elmo.embedding.entries import Entry, Raw, Reader, TextFiles, check_raw, is_doc
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.writer import Writer
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.text.reading import read_blocks

SAMPLE = 200
"""Entries of an input that are looked at."""


@dataclass(frozen=True)
class Size:
    """About how much some input is.

    Attributes:
        entries: Entries.
        tokens: Their tokens.
        characters: Their characters.
    """

    entries: float = 0.0
    tokens: float = 0.0
    characters: float = 0.0

    def __add__(self, other: Size) -> Size:
        return Size(
            self.entries + other.entries,
            self.tokens + other.tokens,
            self.characters + other.characters,
        )


def _size_of_files(files: TextFiles, reader: Reader) -> Size | None:
    """The size of some files, judged by the beginning of each; None if one of them is a pipe."""
    if not files.is_repeatable:
        return None
    total = Size()
    for source, kind in files.inputs:
        if kind == "docs":
            total += _size_of_docs(source, reader)
            continue
        read: list[int] = []
        block = next(read_blocks([(source, kind)], read.append), None)
        if block is None:
            continue
        beginning = files.beginning(block, reader)
        total += _scaled(beginning, reader, Path(source).stat().st_size / max(1, sum(read)))
    return total


def size_of(texts: Any, reader: Reader) -> Size | None:
    """The size of some texts, judged by a sample; None if they are not all there."""
    if isinstance(texts, TextFiles):
        return _size_of_files(texts, reader)
    if not isinstance(texts, Sequence) or isinstance(texts, str):
        return None
    return _scaled(texts, reader, 1.0)


def needed_bytes(size: Size, spec: Spec, writer: type[Writer]) -> int:
    """Room on the disk that an output takes while it is made."""
    rows = size.entries if spec.pool else size.tokens
    each = spec.row_bytes
    if writer.needs_docs and spec.several:
        each += each // len(spec.layers)
    copies = 2 if writer.two_copies else 1
    texts = 4 * size.characters if writer.keeps_texts else 0.0
    return int(rows * each * copies + size.entries * writer.entry_bytes + texts)


def check_room(output: Path, needed: int, used: int) -> None:
    """Make sure that the disk has room.

    Args:
        output: The output.
        needed: Bytes that it takes while it is made.
        used: Bytes that an earlier run has written of it already.

    Raises:
        EmbeddingError: If there is less.
    """
    folder = output.resolve().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed - used > free:
        raise EmbeddingError(
            f"{output} will take about {in_words(needed)} while it is made, and there is room for "
            f"{in_words(free + used)}: make room, or write fewer layers (`layers`), one vector per "
            "entry (`pool`) or float16 (`dtype`)"
        )


def in_words(n_bytes: float) -> str:
    """A size for people.

    >>> in_words(1_234_567_890)
    '1.2 GB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} bytes" if unit == "bytes" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.1f} TB"


def _size_of_docs(source: str, reader: Reader) -> Size:
    total = Size()
    for doc in reader.docs(source):
        total += Size(1, len(doc), len(doc.text))
    return total


def _scaled(raws: Sequence[Raw], reader: Reader, factor: float) -> Size:
    """The size of so many times some entries, by a sample of them."""
    if not raws:
        return Size()
    step = -(-len(raws) // SAMPLE)
    sample = list(raws[::step])
    for number, raw in enumerate(sample):
        check_raw(number * step, raw)
    entries: list[Entry] = reader([raw for raw in sample if not is_doc(raw)])
    docs = list(filter(is_doc, sample))
    tokens = sum(entry.n_tokens for entry in entries) + sum(map(len, docs))
    characters = sum(len(entry.text) for entry in entries) + sum(len(doc.text) for doc in docs)
    each = factor * len(raws) / len(sample)
    return Size(factor * len(raws), tokens * each, characters * each)
