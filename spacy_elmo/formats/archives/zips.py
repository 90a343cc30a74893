"""Members of zip archives."""

from __future__ import annotations

import errno
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from spacy_elmo.errors import ElmoError, problem
from spacy_elmo.formats.archives.copying import copy_member
from spacy_elmo.formats.archives.inventory import Inventory

_ENCRYPTED = 0x1 | 0x40 | 0x2000  # as bits of a member's flags; also only its name
# Their decompressors can be stopped at the size that was declared.
_METHODS = (ZIP_STORED, ZIP_DEFLATED)
_METHOD_NAMES = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz", 99: "encryption"}
_ERRORS = (
    *(BadZipFile, LargeZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error),
    *(OverflowError, ValueError, LookupError, struct.error),
)


class ZipReader:
    """A zip archive whose members have been checked.

    Args:
        path: The archive.

    Raises:
        WeightsError: For an archive that is damaged or holds what weights never do.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inventory = Inventory(path)
        self._members: dict[str, ZipInfo] = {}
        with self._open() as archive:
            for member in archive.infolist():
                self._check(member)

    def unpack(self, targets: Mapping[str, Path]) -> None:
        """Write members to files.

        Args:
            targets: Files that are not there, by the names of the inventory.

        Raises:
            WeightsError: For a member that is damaged, or longer than it says.
            OSError: If a file cannot be written.
        """
        with self._open() as archive:
            for name, target in targets.items():
                member = self._members[name]
                with self._errors(member.filename), archive.open(member) as source:
                    copy_member(source, target, name, self.inventory)

    def _check(self, member: ZipInfo) -> None:
        name = member.filename
        clean = self.inventory.add(name, member.file_size, is_folder=member.is_dir())
        if member.flag_bits & _ENCRYPTED:
            advice = "Unpack it with its password, and give the path of the folder"
            raise self.inventory.refusal(name, "is encrypted", advice)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFDIR if member.is_dir() else stat.S_IFREG):
            what = "is a link" if stat.S_ISLNK(kind) else "is no file and no folder"
            raise self.inventory.refusal(name, what)
        if member.compress_type not in _METHODS:
            method = _METHOD_NAMES.get(member.compress_type, f"method {member.compress_type}")
            what = f"is compressed by {method}, expected stored or deflated"
            raise self.inventory.refusal(name, what, "Unpack it, and give the path of the folder")
        self._members[clean] = member

    @contextmanager
    def _open(self) -> Iterator[ZipFile]:
        try:
            archive = ZipFile(self.path)
        except _ERRORS as error:
            what = f"is no zip archive, or is damaged or truncated ({error})"
            raise problem(self.path, what, "Get it anew") from error
        with archive:
            yield archive

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except ElmoError:
            raise
        except (*_ERRORS, OSError) as error:
            # An invalid argument: a place before the beginning, that a damaged header names.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise self.inventory.refusal(name, f"is damaged ({error})", "Get it anew") from error
