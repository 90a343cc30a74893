"""An input as bytes of UTF-8: decompressed, decoded, and refused if it is no text.

Read once and in order, so that pipes serve as well as files.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from spacy_elmo.errors import CorpusError
from spacy_elmo.text.foreign import foreign

FIRST_BYTES = 1 << 16
"""Bytes by which an input is judged."""

_FIRST_OF = {".gz": b"\x1f\x8b", ".bz2": b"BZh", ".xz": b"\xfd7zXZ\x00"}
COMPRESSIONS = tuple(_FIRST_OF)
"""Suffixes of compressed files that can be read."""

# Longest first: the mark of UTF-16 begins one of UTF-32.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, None),
)


class Readable(Protocol):
    """What can be read in order."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, fewer at the end."""
        ...


def open_text(
    file: BinaryIO, source: str, advance: Callable[[int], object] = lambda size: None
) -> Readable:
    """The text of an input, in UTF-8 and without a byte order mark.

    What is compressed is known by the suffix or by its first bytes, UTF-16 and UTF-32 by their
    byte order mark.

    Args:
        file: The input as stored; it need not be able to seek.
        source: Its path, or what else to call it.
        advance: Called with the number of bytes, as stored, read since the last call.

    Returns:
        What to read it from.

    Raises:
        CorpusError: If it is no text, or compressed and damaged.
    """
    raw = io.BufferedReader(_Counted(file, advance), FIRST_BYTES)
    suffix = Path(source).suffix.lower()
    if suffix not in COMPRESSIONS:
        first = raw.peek()
        suffix = next((name for name, mark in _FIRST_OF.items() if first.startswith(mark)), "")
    stream: Readable = _Decompressed(raw, source, suffix) if suffix else raw
    head = stream.read(FIRST_BYTES)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            head = head[len(mark) :]
            if encoding is not None:
                return _Decoded(_Joined(head, stream), source, encoding)
            break
    found = foreign(head)
    if found is not None:
        what, advice = found
        raise CorpusError(f"{source} is {what}: {advice}")
    return _Joined(head, stream)


class _Counted(io.RawIOBase):
    """A file that tells how much of it is read: a pipe does not know its own place."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], object]) -> None:
        self._file = file
        self._advance = advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._advance(len(data))
        return len(data)


class _Joined:
    """Bytes that were read already, and then the rest."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data + self._rest.read(size - len(data)) if len(data) < size else data
        return self._rest.read(size)


class _Decompressed:
    """A compressed file, whose damage is an error of the package."""

    def __init__(self, raw: BinaryIO, source: str, suffix: str) -> None:
        self._stream: Readable
        if suffix == ".gz":
            self._stream = gzip.GzipFile(fileobj=raw)
        elif suffix == ".bz2":
            self._stream = bz2.BZ2File(raw)
        else:
            self._stream = lzma.LZMAFile(raw)  # noqa: SIM115, the caller closes the file itself
        self._source = source

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            raise CorpusError(f"{self._source} is truncated or damaged: {error}") from error


class _Decoded:
    """Text of another encoding, as UTF-8."""

    def __init__(self, stream: Readable, source: str, encoding: str) -> None:
        self._stream = stream
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, size: int, /) -> bytes:
        while True:
            data = self._stream.read(size)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                name = self._encoding.upper()[:6]
                raise CorpusError(
                    f"{self._source} begins like {name}, but is none ({error.reason}): "
                    "convert it to UTF-8"
                ) from error
            if text or not data:
                return text.encode("utf8")
