"""Input files to blocks of whole lines, for the workers of `prepare`.

Files are opened here, in one process, so that compressed files and pipes are read once, in order,
and the blocks (hence the prepared corpus) do not depend on the number of workers.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

from spacy_elmo.errors import CorpusError

Kind = Literal["text", "tokens", "jsonl", "docs"]

BLOCK_BYTES = 1 << 20
"""Bytes of (decompressed) text handed to a worker at a time."""

_COMPRESSIONS = (".gz", ".bz2", ".xz")
_JSONL_SUFFIXES = (".jsonl", ".ndjson")
OTHER_THAN_PLAIN = (*_COMPRESSIONS, *_JSONL_SUFFIXES, ".spacy")
"""Suffixes of files that are not plain text as they stand."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


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

    Args:
        inputs: Paths; `-` is the standard input.
        tokenized: Whether plain text is one tokenised sentence per line.

    Returns:
        Pairs (path, kind) in the same order.

    Raises:
        CorpusError: For no input at all, a folder, or a compressed `.spacy` file (it is compressed
            in itself).
        FileNotFoundError: If there is no such file.
    """
    kinds: list[tuple[str, Kind]] = []
    for entry in map(str, inputs):
        path = Path(entry)
        if entry != "-":
            if path.is_dir():
                raise CorpusError(
                    f"{entry} is a folder: give the files to read, e.g. {entry}/*.txt"
                )
            if not path.exists():
                raise FileNotFoundError(f"no such file: {entry}")
        compressed = path.suffix.lower() in _COMPRESSIONS
        suffix = Path(path.stem).suffix.lower() if compressed else path.suffix.lower()
        kind: Kind = "tokens" if tokenized else "text"
        if suffix in _JSONL_SUFFIXES:
            kind = "jsonl"
        elif suffix == ".spacy":
            if compressed:
                raise CorpusError(f"{entry}: a .spacy file must be decompressed first")
            kind = "docs"
        kinds.append((entry, kind))
    if not kinds:
        raise CorpusError("no input: give at least one file, or - for the standard input")
    return kinds


def total_bytes(inputs: Iterable[tuple[str, Kind]]) -> int | None:
    """Size of all inputs as stored (compressed), or `None` if the standard input is one of them."""
    total = 0
    for source, _ in inputs:
        if source == "-":
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
        CorpusError: For a truncated or damaged compressed file.
    """
    for source, kind in inputs:
        if kind == "docs":
            yield Block(kind, source, 1, b"")
            advance(Path(source).stat().st_size)
        elif source == "-":
            yield from _lines(sys.stdin.buffer, "standard input", kind, advance, None)
        else:
            with Path(source).open("rb") as raw:
                stream = _decompressed(raw, source)
                try:
                    yield from _lines(stream, source, kind, advance, raw)
                except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
                    if stream is raw:
                        raise
                    raise CorpusError(f"{source} is truncated or damaged: {error}") from error


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _decompressed(raw: IO[bytes], source: str) -> _Readable:
    suffix = Path(source).suffix.lower()
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if suffix == ".bz2":
        return bz2.BZ2File(raw)
    return lzma.LZMAFile(raw) if suffix == ".xz" else raw


def _lines(
    stream: _Readable,
    source: str,
    kind: Kind,
    advance: Callable[[int], object],
    raw: IO[bytes] | None,
) -> Iterator[Block]:
    pieces: list[bytes] = []  # what has been read of the block so far, without a line end
    line = 1
    position = 0
    first = True
    while True:
        piece = stream.read(BLOCK_BYTES)
        now = position + len(piece) if raw is None else raw.tell()
        advance(now - position)
        position = now
        if first:
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
            first = False
        elif not piece:
            break
        end = piece.rfind(b"\n") + 1
        if end:
            data = b"".join([*pieces, piece[:end]])
            yield Block(kind, source, line, data)
            line += data.count(b"\n")
            pieces = [piece[end:]]
            continue
        pieces.append(piece)
        if kind != "jsonl" and sum(map(len, pieces)) >= BLOCK_BYTES:
            data = b"".join(pieces)
            end = _place_to_cut(data)
            yield Block(kind, source, line, data[:end], cut=True)
            pieces = [data[end:]]
    rest = b"".join(pieces)
    if rest:
        yield Block(kind, source, line, rest)


def _place_to_cut(data: bytes) -> int:
    end = data.rfind(b" ") + 1
    if end:
        return end
    end = len(data) - 1
    while end > len(data) - 4 and data[end] & 0xC0 == 0x80:  # a continuation byte of UTF-8
        end -= 1
    return end
