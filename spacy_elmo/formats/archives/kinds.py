"""Which files are archives, by their names and first bytes."""

from __future__ import annotations

from pathlib import Path

from spacy_elmo.formats.foreign import FOREIGN_SUFFIXES

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
ZIP, GZIP, XZ, BZIP2, TAR = "zip", "gzip", "xz", "bzip2", "tar"

_SIGNATURES = (
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),  # one without members
    (b"\x1f\x8b", GZIP),
    (b"\xfd7zXZ\x00", XZ),
    (b"BZh", BZIP2),
)
_USTAR_OFFSET, _USTAR = 257, b"ustar"


def is_archive(path: Path) -> bool:
    """Whether a file has the name of an archive, or the first bytes of one and no other name."""
    if not path.is_file():
        return False  # a pipe or device: looking into it could take for ever
    if path.name.lower().endswith(SUFFIXES):
        return True
    return path.suffix.lower() not in FOREIGN_SUFFIXES and kind_of(path) is not None


def archives_in(folder: Path) -> list[Path]:
    """Files in a folder that have the name of an archive."""
    return sorted(
        file for file in folder.iterdir() if file.name.lower().endswith(SUFFIXES) and file.is_file()
    )


def kind_of(path: Path) -> str | None:
    """What a file is by its first bytes, or None."""
    with path.open("rb") as file:
        first = file.read(_USTAR_OFFSET + len(_USTAR))
    for signature, kind in _SIGNATURES:
        if first.startswith(signature):
            return kind
    return TAR if first[_USTAR_OFFSET:] == _USTAR else None
