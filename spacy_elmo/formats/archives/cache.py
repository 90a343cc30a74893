"""Where the contents of archives are kept: one folder per archive, by the digest of its bytes.

A folder appears when its weights have been read well, in one step, so nothing that is damaged stays
there, and two processes that unpack the same archive do not meet.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from spacy_elmo.aside import workplace
from spacy_elmo.catalogue.content import file_hashes
from spacy_elmo.errors import ElmoError, problem
from spacy_elmo.files import put_directory, read_json, write_json
from spacy_elmo.home import VARIABLE, home

FOLDER = "unpacked"
# Inside the folder of an archive: its members, and names and sizes of those that must be there.
CONTENTS, MEMBERS = "contents", "members.json"


def find(archive: Path) -> Path | None:
    """The contents of an archive, if all that was unpacked of it is there.

    Args:
        archive: The file.

    Returns:
        The folder.

    Raises:
        OSError: If the archive cannot be read.
    """
    place = _place(archive)
    return place / CONTENTS if _is_complete(place) else None


@dataclass(frozen=True)
class Unpacking:
    """A folder that an archive is being unpacked to.

    Attributes:
        folder: Where its members go.
        place: Where the folder is kept; None: nowhere, it goes when the block ends.
        archive: The archive.
    """

    folder: Path
    place: Path | None
    archive: Path

    def check_room(self, n_bytes: int) -> None:
        """Make sure that so many bytes can be written.

        Raises:
            WeightsError: If there is no room for them.
        """
        free = shutil.disk_usage(self.folder).free
        if free < n_bytes:
            what = f"needs {n_bytes:,} bytes in {home()} to be unpacked, and {free:,} are free"
            raise problem(self.archive, what, f"Make room, or set {VARIABLE} to another folder")

    def keep(self, sizes: Mapping[str, int], *, replace: bool = False) -> None:
        """Keep the folder, in one step, unless another process has done so.

        Where that fails the next that loads the archive unpacks it again.

        Args:
            sizes: Bytes of each file in it, by its name.
            replace: Whether one that is kept gives way: it could not be read.
        """
        place = self.place
        if place is None or (not replace and _is_complete(place)):
            return
        with suppress(OSError):
            write_json(self.folder.parent / MEMBERS, dict(sizes))
            put_directory(self.folder.parent, place)


@contextmanager
def unpacking(archive: Path) -> Iterator[Unpacking]:
    """Make a folder beside the place of an archive's contents; removed at the end, unless kept.

    Args:
        archive: The file.

    Yields:
        The folder, empty. Where the cache folder cannot be written to it is a temporary one, and a
        warning says so.
    """
    place = _place(archive)
    with ExitStack() as stack:
        try:
            folder, kept = stack.enter_context(_aside(place)), True
        except OSError as error:
            warnings.warn(
                f"{place.parent} cannot be written to ({error}): {archive} is unpacked anew "
                f"whenever it is loaded. Set {VARIABLE} to a folder of yours",
                stacklevel=2,
            )
            folder, kept = Path(stack.enter_context(tempfile.TemporaryDirectory())), False
        contents = folder / place.name / CONTENTS
        contents.mkdir(parents=True)
        yield Unpacking(contents, place if kept else None, archive)


@contextmanager
def _aside(place: Path) -> Iterator[Path]:
    # What is made for nothing is removed again.
    made = [folder for folder in (place.parent, *place.parent.parents) if not folder.exists()]
    with ExitStack() as stack:
        for _ in range(3):  # another process may just be removing the empty folder
            place.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                folder = stack.enter_context(workplace(place))
                break
        else:
            raise FileNotFoundError(f"{place.parent} is being removed all the time")
        try:
            yield folder
        finally:
            stack.close()
            for empty in made:
                with suppress(OSError):  # it is not
                    empty.rmdir()


def _place(archive: Path) -> Path:
    status = archive.stat()
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return home() / FOLDER / _digest(os.path.realpath(archive), identity)


@lru_cache(maxsize=64)
def _digest(path: str, identity: tuple[int, ...]) -> str:
    """Digest of a file; its identity is there to tell whether it is the one it was."""
    return file_hashes(Path(path), ["sha256"])["sha256"][:32]


def _is_complete(place: Path) -> bool:
    try:
        sizes = read_json(place / MEMBERS)
        return all((place / CONTENTS / name).stat().st_size == sizes[name] for name in sizes)
    except (OSError, ElmoError):
        return False
