"""Downloaded models on this machine: where they are, and what was kept about them.

A model is a folder. `download.json` in it is its record: the files with their sizes and hashes as
they came, and what the catalogue says of the model. On a machine without a network the files may be
put there by hand; the record is then missing, and the catalogue stands in for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spacy_elmo.catalogue.entries import Entry, File, models
from spacy_elmo.catalogue.record import RECORD, facts_of, read_record
from spacy_elmo.errors import problem
from spacy_elmo.home import home

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True)
class Fetched:
    """A model that was downloaded.

    Attributes:
        name: Its name.
        folder: Where it is.
        files: Its files, with sizes and hashes where there is a record.
        facts: What is known of it, by the names of `FACTS`.
    """

    name: str
    folder: Path
    files: tuple[File, ...]
    facts: dict[str, str]

    @property
    def weights(self) -> Path:
        """What is to be opened: a file, or the folder."""
        return self._of("weights") or self.folder

    @property
    def options(self) -> Path | None:
        """Its options file, where it is one of the files."""
        return self._of("options")

    @property
    def vocab(self) -> Path | None:
        """Its vocabulary, where it is one of the files."""
        return self._of("vocab")

    def _of(self, role: str) -> Path | None:
        return next((self.folder / file.name for file in self.files if file.role == role), None)


def is_name(text: str) -> bool:
    """Whether a model could have this name: letters, digits, `.`, `_` and `-`."""
    return _NAME.fullmatch(text) is not None and not text.endswith(".")


def folder_of(name: str) -> Path:
    """Where a model of a name is, or would be."""
    return home() / "models" / name


def downloaded(name: str) -> Fetched | None:
    """The model of a name, if it is on this machine.

    Args:
        name: One of the catalogue, or one that a download from an address was given.

    Returns:
        The model, or None if there is no folder of this name.

    Raises:
        WeightsError: If some of its files are missing or have another size than when they came.
    """
    if not is_name(name):
        return None
    folder = folder_of(name)
    if not folder.is_dir():
        return None
    found = fetched_at(folder)
    if found is not None:
        return found
    entry = models().get(name)
    if entry is None:
        what = f"has no {RECORD}, and {name!r} is no name of the catalogue"
        raise problem(folder, what, f"Remove it, or download it anew with --name {name}")
    return _checked(Fetched(name, folder, entry.files, facts_of(entry)))


def fetched_at(folder: Path) -> Fetched | None:
    """The model whose record lies in a folder, or None if there is none.

    Raises:
        WeightsError: As for `downloaded`, and for a damaged record.
    """
    found = read_record(folder)
    if found is None:
        return None
    return _checked(Fetched(found.name, folder, found.files, found.facts))


def opened(path: Path) -> Path:
    """What to open at a path: of the folder of a downloaded model the file that it names.

    Raises:
        WeightsError: As for `downloaded`.
    """
    found = fetched_at(path)
    return path if found is None else found.weights


def of_path(path: Path) -> Fetched | None:
    """The downloaded model that a file or folder belongs to, or None.

    Raises:
        WeightsError: As for `downloaded`.
    """
    folder = path if path.is_dir() else path.parent
    found = fetched_at(folder)
    if found is None and folder.parent == home() / "models" and folder.name in models():
        return downloaded(folder.name)  # put there by hand
    return found


def how_to_get(entry: Entry) -> str:
    """What to do for a model of the catalogue that is not on this machine, in a few lines."""
    folder = folder_of(entry.name)
    lines = [
        f"{entry.name!r} is a published model that has not been downloaded. With a network:",
        f"    spacy elmo download {entry.name}",
        f"Without one, put into {folder} (or SPACY_ELMO_HOME/models/{entry.name}):",
        *(f"    {file.name} from {file.url or entry.page}" for file in entry.files),
    ]
    return "\n".join(lines)


def _checked(found: Fetched) -> Fetched:
    for file in found.files:
        path = found.folder / file.name
        if not path.is_file():
            where = file.url or "the page of the model"
            advice = f"Put it there (from {where}), or download the model anew, with --force"
            raise problem(path, "is missing, and belongs to a downloaded model", advice)
        size = path.stat().st_size
        if file.bytes not in (None, size):
            what = f"has {size:,} bytes, expected {file.bytes:,}: it was cut or replaced"
            raise problem(path, what, "Download the model anew, with --force")
    return found
