"""The catalogue: facts about published models, read from `models.json`.

Nothing here was measured: URLs, licences and corpora are what public sources say, and `quoted` says
whether the URL stands there word for word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spacy_elmo.errors import DownloadError, ElmoError, problem
from spacy_elmo.fields import check_fields
from spacy_elmo.files import read_json
from spacy_elmo.languages import TOKENISATIONS, is_language

PACKAGED = ("en_elmo_sm", "en_elmo_md")
"""Names of the models that come with the package: no other may bear them."""

DATA = Path(__file__).parent / "models.json"
MARKER, VERSION = "spacy-elmo.catalogue", 1

FORMATS = {
    "hdf5": "HDF5 with an options file",
    "hdf5-zip": "zip of HDF5",
    "hdf5-tar": "tar.gz of HDF5",
    "elmoformanylangs-zip": "zip of ELMoForManyLangs",
    "elmoformanylangs-tar": "tar.bz2 of ELMoForManyLangs",
    "allennlp-archive": "AllenNLP archive of a task's model",
    "tf-checkpoint": "TensorFlow checkpoint, with softmax",
    "tf-checkpoint-tar": "tar.gz of a TensorFlow checkpoint, with softmax",
    "tf-hub-tar": "tar.gz of a TF-Hub module",
}
# What a file is to the model: the one to open, what it needs beside it, or a part of a folder.
ROLES = ("weights", "options", "vocab", "part")
HASHES = {"sha256": 64, "sha1": 40, "md5": 32}
"""Hashes that a file may have, with the number of their hexadecimal digits."""


@dataclass(frozen=True)
class File:
    """A file of a published model.

    Attributes:
        name: Its name in the model's folder.
        role: One of `ROLES`.
        url: Where it is; None: on the page of the entry, to be fetched by hand.
        bytes: Its exact size, where it is known.
        about_bytes: Its size as somebody says, good for a warning only.
        hashes: Of its content, by the names of `HASHES`, lower case.
    """

    name: str
    role: str
    url: str | None = None
    bytes: int | None = None
    about_bytes: int | None = None
    hashes: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        check_fields(File, vars(self))
        name = self.name
        if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
            raise ValueError(f"the file name {name!r} is none that a folder could hold")
        if self.role not in ROLES:
            raise ValueError(f"{name}: role is {self.role!r}, expected one of {ROLES}")
        if self.url is not None and urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"{name}: {self.url!r} is no address that starts with http or https")
        for size in (self.bytes, self.about_bytes):
            if size is not None and size < 0:
                raise ValueError(f"{name}: a file has no {size} bytes")
        if not isinstance(self.hashes or {}, Mapping):
            raise ValueError(f"{name}: hashes is {self.hashes!r}, expected an object")
        for kind, value in (self.hashes or {}).items():
            check_hash(kind, value)


@dataclass(frozen=True)
class Entry:
    """A published model that can be read.

    Attributes:
        name: Its name.
        format: One of `FORMATS`.
        files: At most one has the role "weights"; without one, the folder is what is opened.
        licence: What is said of it.
        source: Who says all this.
        lang: Code of its language; None: none, or not known.
        tokenisation: "words" or "lemmas": what it was trained on; None: not known.
        tokenizer: What cut the text, where it is known.
        text: What text it was trained on, where it is known.
        page: Where files without a URL are.
        quoted: Whether the URLs stand in the source word for word, and are not derived.
        note: What else to know.
        options: The contents of its options file, where they are known.
        variant_of: Name of the entry that holds the same network in another form.
    """

    name: str
    format: str
    files: tuple[File, ...]
    licence: str
    source: str
    lang: str | None = None
    tokenisation: str | None = None
    tokenizer: str | None = None
    text: str | None = None
    page: str | None = None
    quoted: bool = False
    note: str | None = None
    options: Mapping[str, Any] | None = None
    variant_of: str | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format is {self.format!r}, expected one of {tuple(FORMATS)}")
        if not self.files:
            raise ValueError("there are no files")
        for role in ("weights", "options", "vocab"):
            if sum(file.role == role for file in self.files) > 1:
                raise ValueError(f"several files have the role {role!r}")
        if len({file.name.lower() for file in self.files}) < len(self.files):
            raise ValueError("two files have one name")
        if self.lang is not None and not is_language(self.lang):
            raise ValueError(f"lang is {self.lang!r}, expected the code of a language")
        if self.tokenisation not in (None, *TOKENISATIONS):
            raise ValueError(f"tokenisation is {self.tokenisation!r}: expected {TOKENISATIONS}")
        if self.page is None and any(file.url is None for file in self.files):
            raise ValueError("a file has no URL, and there is no page to fetch it from")

    @property
    def bytes(self) -> int | None:
        """Size of all files, roughly where only that is known; None: not known."""
        known = [file.bytes or file.about_bytes for file in self.files if file.role != "options"]
        return None if None in known else sum(size or 0 for size in known)


@dataclass(frozen=True)
class Unreadable:
    """A published model that cannot be read, with the reason."""

    name: str
    reason: str
    page: str
    lang: str | None = None


def models() -> dict[str, Entry]:
    """All models that can be read, by name."""
    return read_catalogue(DATA)[0]


def unreadable() -> dict[str, Unreadable]:
    """Published models that cannot be read, by name."""
    return read_catalogue(DATA)[1]


@cache
def read_catalogue(path: Path) -> tuple[dict[str, Entry], dict[str, Unreadable]]:
    """Read a catalogue.

    Args:
        path: A file like `models.json`.

    Returns:
        The models, and those that cannot be read.

    Raises:
        ElmoError: For a file of another form; it names the entry.
    """
    values = read_json(path)
    if values.get("format") != MARKER or values.get("version") != VERSION:
        raise problem(path, f"is no catalogue of version {VERSION}", error=ElmoError)
    made: dict[str, Entry] = {}
    for name, facts in values["models"].items():
        try:
            files = tuple(_make(File, file) for file in facts["files"])
            made[name] = _make(Entry, {**facts, "name": name, "files": files})
        except (ValueError, TypeError, KeyError) as error:
            raise problem(path, f"{name}: {error}", error=ElmoError) from error
    return made, {
        name: _make(Unreadable, {**facts, "name": name})
        for name, facts in values["unreadable"].items()
    }


def find(name: str) -> Entry:
    """The entry of a name.

    Raises:
        DownloadError: For a name that is not in the catalogue, with similar ones, and for a model
            that cannot be read, with the reason.
    """
    if name in models():
        return models()[name]
    if name in unreadable():
        known = unreadable()[name]
        what, advice = f"cannot be read: {known.reason}", f"See {known.page}"
        raise problem(name, what, advice, error=DownloadError)
    advice = f"{similar(name)}`spacy elmo download --list` names all"
    raise problem(name, "is no name of the catalogue", advice, error=DownloadError)


def similar(name: str) -> str:
    """Names of the catalogue like this one, as the beginning of an advice; "" if there are none."""
    close = get_close_matches(name, models(), n=3, cutoff=0.75)
    return f"Did you mean {' or '.join(close)}? " if close else ""


def entry_of_url(url: str) -> Entry | None:
    """The model of which a file has this address, or None.

    The names that one storage goes by are taken for the same, and http for https. Of several
    models that share a file (options, say) it is the first.
    """
    return _by_url().get(same_address(url))


@cache
def _by_url() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in models().values():
        for file in entry.files:
            if file.url is not None:
                found.setdefault(same_address(file.url), entry)
    return found


def same_address(url: str) -> str:
    """An address without what does not matter, to compare it with another.

    >>> same_address("https://s3-us-west-2.amazonaws.com/allennlp/models/x.json")
    'allennlp.s3.amazonaws.com/models/x.json'
    """
    parts = urlsplit(url.strip())
    host, path = (parts.hostname or "").lower(), parts.path
    bucket, _, service = host.partition(".s3")
    if host.startswith("s3") and host.endswith(".amazonaws.com"):
        _, bucket, path = path.split("/", 2) if path.count("/") > 1 else ("", "", path)
        host, path = f"{bucket}.s3.amazonaws.com", f"/{path}"
    elif service and host.endswith(".amazonaws.com"):
        host = f"{bucket}.s3.amazonaws.com"
    return host + path


def check_hash(kind: str, value: str) -> str:
    """A hash, lower case.

    Raises:
        ValueError: For another kind than those of `HASHES`, and anything but its digits.
    """
    if kind not in HASHES:
        raise ValueError(f"{kind!r} is no hash that is known: expected one of {tuple(HASHES)}")
    text = value.strip().lower() if isinstance(value, str) else ""
    if len(text) != HASHES[kind] or set(text) - set("0123456789abcdef"):
        raise ValueError(
            f"{value!r} is no {kind}: expected {HASHES[kind]} hexadecimal digits, 0 to 9 and a to f"
        )
    return text


def _make(cls: Any, values: Mapping[str, Any]) -> Any:
    unknown = sorted(set(values) - {field.name for field in fields(cls)})
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}")
    return cls(**values)
