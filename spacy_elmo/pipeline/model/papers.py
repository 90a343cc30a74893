"""The card and the licences of weights: read where they come from, written where they are saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spacy_elmo.files import new_file

# As files are named whatever the case, with any suffix.
NAMES = ("readme", "licence", "license", "copying", "notice")
MAX_BYTES = 1_000_000

Papers = Mapping[str, bytes]

TRAINED = (
    "> These weights were trained further, together with the pipes of a pipeline. What follows "
    "describes those they come from; sources and licences hold for both.\n\n"
)


def read_papers(folder: Path) -> dict[str, bytes]:
    """The card and the licences in a folder of weights, by name.

    A file of weights that lies somewhere has none of its own: what lies beside it may belong to
    anything. What cannot be read is left out.
    """
    found = {}
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            stem = path.name.lower().partition(".")[0]
            if stem in NAMES and path.is_file() and path.stat().st_size <= MAX_BYTES:
                found[path.name] = path.read_bytes()
    except OSError:
        return found
    return found


def write_papers(folder: Path, papers: Papers, *, is_trained: bool = False) -> None:
    """Write the card and the licences beside saved weights.

    Args:
        folder: Where the weights are.
        papers: Contents by name.
        is_trained: Whether the weights have changed since; the card says so then.
    """
    note = TRAINED.encode("utf8")
    for name, content in papers.items():
        if is_trained and name.lower().startswith("readme") and not content.startswith(note):
            content = note + content
        with new_file(folder / name) as aside:
            aside.write_bytes(content)
