"""Input files to blocks of whole lines, for `prepare` and `embed`.

Files are opened here, in one process, so that compressed files and pipes are read once, in order,
and the blocks (hence the prepared corpus) do not depend on the number of workers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spacy_elmo.errors import CorpusError
from spacy_elmo.files import expanded
from spacy_elmo.text.foreign import FOREIGN_SUFFIXES
from spacy_elmo.text.opening import COMPRESSIONS, Readable, open_text

Kind = Literal["text", "tokens", "jsonl", "conllu", "docs"]

BLOCK_BYTES = 1 << 20
"""Bytes of (decompressed) text handed to a worker at a time."""

STANDARD_INPUT = "standard input"

_JSONL_SUFFIXES = (".jsonl", ".ndjson")
_CONLLU_SUFFIX = ".conllu"
OTHER_THAN_PLAIN = (*COMPRESSIONS, *_JSONL_SUFFIXES, _CONLLU_SUFFIX, ".spacy")
"""Suffixes of files that are not plain text as they stand."""


@dataclass(frozen=True)
class Block:
    """Whole lines of one input, or the path of one `.spacy` file."""

    kind: Kind
    source: str
    """Where it comes from, for messages."""
    first_line: int
    """Number of its first line, from 1."""
    data: bytes
    """The lines; empty for a `.spacy` file, which the worker opens itself."""
    cut: bool = False
    """Whether it ends within a line that was too long to be kept whole."""


def check_inputs(inputs: Iterable[str | Path], tokenized: bool) -> list[tuple[str, Kind]]:
    """The kind of every input, by its suffix (after that of a compression).

    The first bytes of files are looked at, those of pipes only when they are read.

    Args:
        inputs: Paths; `-` is the standard input.
        tokenized: Whether plain text is one tokenised sentence per line.

    Returns:
        Pairs (path, kind) in the same order.

    Raises:
        CorpusError: For no input at all, a folder, what is no text, or a compressed `.spacy` file
            (it is compressed in itself).
        FileNotFoundError: If there is no such file.
        OSError: If a file cannot be opened.
    """
    kinds: list[tuple[str, Kind]] = []
    for given in map(str, inputs):
        entry = str(expanded(given)) if given.startswith("~") else given
        path = Path(entry)
        if entry != "-":
            if path.is_dir():
                raise CorpusError(
                    f"{entry} is a folder: give the files to read, e.g. {entry}/*.txt"
                )
            if not path.exists():
                raise FileNotFoundError(f"no such file: {entry}")
        compressed = path.suffix.lower() in COMPRESSIONS
        suffix = Path(path.stem).suffix.lower() if compressed else path.suffix.lower()
        kind: Kind = "tokens" if tokenized else "text"
        if suffix in _JSONL_SUFFIXES:
            kind = "jsonl"
        elif suffix == _CONLLU_SUFFIX:
            kind = "conllu"
        elif suffix == ".spacy":
            if compressed:
                raise CorpusError(f"{entry}: a .spacy file must be decompressed first")
            kind = "docs"
        elif suffix in FOREIGN_SUFFIXES:
            raise CorpusError(
                f"{entry}: a {suffix} file is no plain text: {FOREIGN_SUFFIXES[suffix]}"
            )
        if entry != "-" and path.is_file():
            with path.open("rb") as file:
                if kind != "docs":
                    open_text(file, entry)
                elif file.read(1) != b"\x78":  # by which all that zlib compressed begins
                    raise CorpusError(f"{entry} is no readable .spacy file: it begins otherwise")
        kinds.append((entry, kind))
    if not kinds:
        raise CorpusError("no input: give at least one file, or - for the standard input")
    return kinds


def total_bytes(inputs: Iterable[tuple[str, Kind]]) -> int | None:
    """Size of all inputs as stored (compressed), or `None` if a pipe is one of them."""
    total = 0
    for source, _ in inputs:
        if source == "-" or not Path(source).is_file():
            return None
        total += Path(source).stat().st_size
    return total


def read_blocks(
    inputs: Iterable[tuple[str, Kind]], advance: Callable[[int], object] = lambda size: None
) -> Iterator[Block]:
    """Blocks of whole lines, in the order of the inputs.

    A line of plain text longer than `BLOCK_BYTES` is cut at a space (at the end of a character if
    there is none), so that a file without line ends needs no more memory than any other.

    Args:
        inputs: As from `check_inputs`.
        advance: Called with the number of bytes, as stored, read since the last call.

    Yields:
        The blocks.

    Raises:
        CorpusError: For what is no text, and a truncated or damaged compressed file.
    """
    for source, kind in inputs:
        if kind == "docs":
            yield Block(kind, source, 1, b"")
            advance(Path(source).stat().st_size)
        elif source == "-":
            stream = open_text(sys.stdin.buffer, STANDARD_INPUT, advance)
            yield from _lines(stream, STANDARD_INPUT, kind)
        else:
            with Path(source).open("rb") as file:
                yield from _lines(open_text(file, source, advance), source, kind)


def _lines(stream: Readable, source: str, kind: Kind) -> Iterator[Block]:
    pieces: list[bytes] = []  # what has been read of the block so far, without a place to end it
    line = 1
    while piece := stream.read(BLOCK_BYTES):
        if kind == "conllu":  # a sentence may end at the border of two pieces
            piece, pieces = b"".join([*pieces, piece]), []
            end = _end_of_sentence(piece)
        else:
            end = piece.rfind(b"\n") + 1
        if end:
            data = b"".join([*pieces, piece[:end]])
            yield Block(kind, source, line, data)
            line += data.count(b"\n")
            pieces = [piece[end:]]
            continue
        pieces.append(piece)
        if kind in ("text", "tokens") and sum(map(len, pieces)) >= BLOCK_BYTES:
            data = b"".join(pieces)
            end = _place_to_cut(data)
            yield Block(kind, source, line, data[:end], cut=True)
            pieces = [data[end:]]
    rest = b"".join(pieces)
    if rest:
        yield Block(kind, source, line, rest)


def _end_of_sentence(data: bytes) -> int:
    """The end of the last empty line, where a sentence of CoNLL-U ends; 0 if there is none."""
    ends = ((data.rfind(mark), len(mark)) for mark in (b"\n\n", b"\n\r\n"))
    return max(place + size if place >= 0 else 0 for place, size in ends)


def _place_to_cut(data: bytes) -> int:
    end = data.rfind(b" ") + 1
    if end:
        return end
    end = len(data) - 1
    while end > len(data) - 4 and data[end] & 0xC0 == 0x80:  # a continuation byte of UTF-8
        end -= 1
    return end
