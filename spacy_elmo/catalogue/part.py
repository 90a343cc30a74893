"""A file that is not all there yet, and what is needed to go on with it in another process."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from spacy_elmo.catalogue.entries import File
from spacy_elmo.errors import ElmoError
from spacy_elmo.files import new_file, read_json, write_json


class Part:
    """The beginning of a file, in `NAME.part`, with `NAME.part.json` beside it.

    Args:
        folder: Where it is; it exists.
        name: Name of the file to be.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.part"
        self.notes = folder / f"{name}.part.json"
        self.url: str | None = None
        self.total: int | None = None
        self.validator: str | None = None
        try:
            values = read_json(self.notes)
            self.url, self.total = str(values["url"]), values["total"]
            self.validator = values["validator"]
        except (ElmoError, KeyError):  # none yet, or its writer was killed
            self.clear()

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def resumable(self, file: File) -> int:
        """Bytes to go on after; 0: to be fetched from its beginning.

        Without a version from the server or a hash, nobody could tell whether both ends are of one
        file.
        """
        is_safe = self.validator is not None or bool(file.hashes)
        return self.size if is_safe and self.url == file.url and self.total is not None else 0

    def begin(self, url: str, total: int | None, validator: str | None) -> None:
        """Begin anew.

        Args:
            url: Address of the file.
            total: Its size in bytes, where the server says.
            validator: What tells this version of it from another: an ETag or a date.
        """
        self.path.unlink(missing_ok=True)
        self.url, self.total, self.validator = url, total, validator
        with new_file(self.notes) as aside:
            write_json(aside, {"url": url, "total": total, "validator": validator})

    def open(self) -> IO[bytes]:
        """The file, to be added to; unbuffered, so that a killed process has written all it got."""
        return self.path.open("ab", buffering=0)

    def clear(self) -> None:
        """Forget what is here."""
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Give the file its name. The notes stay, to tell where it came from."""
        self.path.replace(target)
