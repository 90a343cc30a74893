"""The record of a downloaded model, `download.json`, and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spacy_elmo.catalogue.entries import FORMATS, Entry, File
from spacy_elmo.errors import ElmoError, WeightsError, problem
from spacy_elmo.files import new_file, read_json, write_json, write_text
from spacy_elmo.languages import TOKENISATIONS, is_language

RECORD = "download.json"
CARD = "README.md"
MARKER, VERSION = "spacy-elmo.download", 1
FACTS = ("lang", "tokenisation", "tokenizer", "text", "licence", "source", "note")
"""What is kept of an entry of the catalogue."""


@dataclass(frozen=True)
class Record:
    """What was kept of a download.

    Attributes:
        name: Name of the model.
        files: Its files, with the sizes and hashes that they came with.
        facts: What the catalogue says of it, by the names of `FACTS`.
    """

    name: str
    files: tuple[File, ...]
    facts: dict[str, str]


def facts_of(entry: Entry) -> dict[str, str]:
    """What is kept of an entry of the catalogue."""
    return {key: getattr(entry, key) for key in FACTS if getattr(entry, key) is not None}


def is_record(path: Path) -> bool:
    """Whether a file is the record of a download, of any version, if a damaged one."""
    try:
        return read_json(path).get("format") == MARKER
    except ElmoError:
        return False


def read_record(folder: Path) -> Record | None:
    """Read the record in a folder, or None if there is none.

    A file of its name that has another marker, or none, is somebody else's.

    Raises:
        WeightsError: If it is damaged.
    """
    path = folder / RECORD
    try:
        if not path.is_file():
            return None
    except OSError:  # a folder that may not be looked into: whoever reads it says so
        return None
    values = read_json(path, error=WeightsError)
    if values.get("format") != MARKER:
        return None
    try:
        if values["version"] != VERSION:
            raise ValueError(f"version is {values['version']!r}, expected {VERSION}")
        files = tuple(File(**file) for file in values["files"])
        facts = {key: _text(values[key]) for key in FACTS if values.get(key) is not None}
        if "lang" in facts and not is_language(facts["lang"]):
            raise ValueError(f"lang is {facts['lang']!r}")
        if facts.get("tokenisation", "words") not in TOKENISATIONS:
            raise ValueError(f"tokenisation is {facts['tokenisation']!r}")
        return Record(_text(values["name"]), files, facts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"is no record of a download ({error!r})"
        raise problem(path, what, "Download the model anew, with --force") from error


def write_record(folder: Path, record: Record) -> None:
    """Write the record of a download, and a card if the folder has none.

    Args:
        folder: That of the files.
        record: What `read_record` will give.
    """
    files = [_present(asdict(file)) for file in record.files]
    values: dict[str, Any] = {
        "format": MARKER,
        "version": VERSION,
        "name": record.name,
        **record.facts,
        "files": files,
    }
    with new_file(folder / RECORD) as aside:
        write_json(aside, values)
    if not (folder / CARD).exists():
        write_text(folder / CARD, card(record.name, record.files, record.facts))


def rows(facts: Mapping[str, str]) -> dict[str, str]:
    """What is known of a model, for people: one row each."""
    tokens = facts.get("tokenisation", "not known")
    if "tokenizer" in facts:
        tokens += f" ({facts['tokenizer']})"
    if facts.get("tokenisation") == "lemmas":
        tokens += '; feed lemmas: token_attr = "LEMMA"'
    found = {
        "Licence": facts.get("licence", "not known"),
        "Language": facts.get("lang", "not known"),
        "Tokenisation": tokens,
    }
    more = {"Text": "text", "Note": "note", "Source": "source"}
    return found | {title: facts[key] for title, key in more.items() if key in facts}


def rows_of(entry: Entry) -> dict[str, str]:
    """`rows` of an entry of the catalogue, and in which form it is published."""
    return {"Published as": FORMATS[entry.format], **rows(facts_of(entry))}


def card(name: str, files: Sequence[File], facts: Mapping[str, str]) -> str:
    """A card for a downloaded model, so that its licence and source travel with it."""
    lines = [f"# {name}", "", *(f"- {title}: {value}" for title, value in rows(facts).items())]
    lines += ["", "Downloaded files:", ""]
    for file in files:
        digest = (file.hashes or {}).get("sha256", "not known")
        lines.append(f"- `{file.name}`, sha256 {digest}, from {file.url or 'a page'}")
    return "\n".join(lines) + "\n"


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value
