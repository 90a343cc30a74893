"""Members of tar archives, plain or compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from spacy_elmo.errors import ElmoError, problem
from spacy_elmo.formats.archives.copying import CHUNK, copy_member
from spacy_elmo.formats.archives.inventory import Inventory, allowed_bytes
from spacy_elmo.formats.archives.kinds import BZIP2, GZIP, XZ

_ERRORS = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
# Of headers that make no sense.
_MORE_ERRORS = (ValueError, OverflowError, LookupError, struct.error)
_KINDS = {
    tarfile.SYMTYPE: "is a link",
    tarfile.LNKTYPE: "is a link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a pipe",
}
# Blocks of headers, of all members, and what fills up the last record.
_OVERHEAD = 2**24


class TarReader:
    """A tar archive whose members have been checked, to the end of the file.

    Args:
        path: The archive.
        kind: What compresses it: GZIP, XZ, BZIP2, or anything else for nothing.

    Raises:
        WeightsError: For an archive that is damaged or holds what weights never do.
    """

    def __init__(self, path: Path, kind: str | None) -> None:
        self.path = path
        self._kind = kind
        self._last = ""
        self.inventory = Inventory(path)
        with self._open() as (archive, stream):
            for member in archive:
                self._check(member)
            if stream.last != bytes(tarfile.BLOCKSIZE):
                raise EOFError("the blocks that end an archive are missing")
            stream.drain()  # a checksum at the end is compared only then

    def unpack(self, targets: Mapping[str, Path]) -> None:
        """Write members to files.

        Args:
            targets: Files that are not there, by the names of the inventory.

        Raises:
            WeightsError: For a member that is damaged, or longer than it says.
            OSError: If a file cannot be written.
        """
        left = dict(targets)
        if not left:
            return
        again = Inventory(self.path)
        with self._open() as (archive, _):
            for member in archive:
                self._last = member.name
                name = again.add(member.name, member.size, is_folder=member.isdir())
                target = left.pop(name, None)
                if target is None:
                    continue
                source = archive.extractfile(member)
                if source is None or member.issparse():
                    raise self.inventory.refusal(member.name, "is no file any more")
                copy_member(source, target, name, self.inventory)
                if not left:
                    return
        raise problem(self.path, f"lacks the member {min(left)!r}, which was there", "Load it anew")

    def _check(self, member: tarfile.TarInfo) -> None:
        name = self._last = member.name
        if member.type in _KINDS:
            what = _KINDS[member.type]
            to = f" to {member.linkname!r}" if member.linkname else ""
            raise self.inventory.refusal(name, f"{what}{to}")
        if member.issparse():
            raise self.inventory.refusal(name, "is a file with holes")
        if not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)):
            raise self.inventory.refusal(name, f"is of an unknown type ({member.type!r})")
        self.inventory.add(name, member.size, is_folder=member.isdir())

    @contextmanager
    def _open(self) -> Iterator[tuple[tarfile.TarFile, _Stream]]:
        with self.path.open("rb") as file:
            try:
                stream = _Stream(_decompressed(file, self._kind), _OVERHEAD, self.path)
                with tarfile.TarFile(fileobj=cast(IO[bytes], stream), mode="r") as archive:
                    yield archive, stream
            except ElmoError:
                raise
            except (*_ERRORS, *_MORE_ERRORS) as error:
                where = f" after or in member {self._last!r}" if self._last else ""
                what = f"is no tar archive, or is damaged or truncated{where} ({error})"
                raise problem(self.path, what, "Get it anew") from error
            except OSError as error:
                if error.errno is not None:  # of the system; those of bzip2 have none
                    raise
                what = f"is damaged ({error})"
                raise problem(self.path, what, "Get it anew") from error


class _Stream:
    """A file that is read forwards only, in pieces of bounded size, and not for ever.

    Args:
        source: The file.
        overhead: Bytes that it may have beside what all members may have.
        path: Where it comes from.
    """

    def __init__(self, source: IO[bytes], overhead: int, path: Path) -> None:
        self._source = source
        self._position = 0
        self._path = path
        self._limit = allowed_bytes(path) + overhead
        self.last = b""

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:  # of a header, which is read at once
            raise ValueError(f"a header says that it has {size} bytes")
        self.last = self._source.read(size)
        self._position += len(self.last)
        if self._position > self._limit:
            what = f"unpacks to more than {self._limit:,} bytes"
            raise problem(self._path, what, "Do not trust it, get the weights anew")
        return self.last

    def seek(self, position: int) -> int:
        if position < self._position:
            raise ValueError("a header leads backwards")
        while self._position < position:
            if not self.read(min(CHUNK, position - self._position)):
                raise EOFError("it ends within a member")
        return position

    def drain(self) -> None:
        """Read to the end."""
        while self.read(CHUNK):
            pass


def _decompressed(file: IO[bytes], kind: str | None) -> IO[bytes]:
    if kind == GZIP:
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if kind == XZ:
        return lzma.LZMAFile(file)
    return bz2.BZ2File(file) if kind == BZIP2 else file
