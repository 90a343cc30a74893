"""Archives of folders, sound and otherwise, made by the standard library."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from spacy_elmo.formats import WeightsError, load

MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}


def pack(folder: Path, archive: Path, *, inside: str = "") -> Path:
    """Pack what is in a folder; returns the archive.

    inside: What stands before each name, "nested/" for instance.
    """
    files = {inside + str(file.relative_to(folder)): file for file in sorted(folder.rglob("*"))}
    if archive.suffix == ".zip":
        with ZipFile(archive, "w", ZIP_DEFLATED) as target:
            for name, file in files.items():
                target.write(file, name)
    else:
        suffix = next(each for each in sorted(MODES, key=len) if archive.name.endswith(each))
        with tarfile.open(archive, MODES[suffix]) as target:
            for name, file in files.items():
                target.add(file, name, recursive=False)
    return archive


def tar_of(archive: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """A tar.gz of members as they are given."""
    with tarfile.open(archive, "w:gz") as target:
        for member, data in members:
            target.addfile(member, io.BytesIO(data))
    return archive


def member(name: str, data: bytes = b"x", **values: object) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a tar archive."""
    made = tarfile.TarInfo(name)
    made.size = len(data)
    for key, value in values.items():
        setattr(made, key, value)
    return made, data


def everything_under(folder: Path) -> list[str]:
    """Names of all that is in a folder, however deep; none if it is not there."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_refused(archive: Path, expected: str) -> None:
    """An archive that others made is refused, and leaves no traces: not in the current folder (with
    the cache in it), and not where it wanted to write."""
    with pytest.raises(WeightsError) as caught:
        load(archive)
    assert str(archive) in str(caught.value)
    assert expected in str(caught.value)
    assert not list(Path().iterdir())
    assert not list(Path("/tmp").glob("ELMO_FIXTURE_ESCAPED*"))
