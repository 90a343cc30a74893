"""The card and the licences of weights: read where they come from, written where they are saved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from spacy_elmo.files import new_file
from spacy_elmo.formats.cards import is_stub
from spacy_elmo.formats.front_matter import below_block, hub_licence, licences_in, split_card
from spacy_elmo.formats.hdf5.companions import SUFFIXES, companion

# As files are named whatever the case, with any suffix.
NAMES = ("readme", "licence", "license", "copying", "notice")
MAX_BYTES = 1_000_000

Papers = Mapping[str, bytes]

TRAINED = (
    "> These weights were trained further, together with the pipes of a pipeline. What follows "
    "describes those they come from; sources and licences hold for both.\n\n"
)


# Licences as cards name them.
_LICENCES = re.compile(
    r"\bCC[ -](?:BY(?:-NC)?(?:-SA|-ND)?)(?:[ -]\d\.\d)?\b|\bCC0(?:[ -]1\.0)?\b|\bMIT\b"
    r"|\bApache(?:-2\.0| 2\.0| License,? Version 2\.0)|\b[AL]?GPL(?:-|v| )?\d(?:\.\d)?\b"
    r"|\bBSD-\d-Clause\b|\bODC-By\b|\bODbL\b"
)


def read_papers(source: Path) -> dict[str, bytes]:
    """The card and the licences of weights, by name.

    Those of a directory are in it. Those of an HDF5 file lie beside it and bear its name, as its
    options do (`x_README.md` of `x.hdf5`): what else lies there may belong to anything. What cannot
    be read is left out, and so is a stub of a card: whoever saves the weights makes it anew.

    Args:
        source: The path of the weights.
    """
    found = {}
    try:
        for name, path in _candidates(source):
            stem = name.lower().partition(".")[0]
            if stem in NAMES and path.is_file() and path.stat().st_size <= MAX_BYTES:
                content = path.read_bytes()
                if not is_stub(content.decode("utf8", "replace")):
                    found[name] = content
    except OSError:
        return found
    return found


def write_papers(
    target: Path, papers: Papers, *, is_trained: bool = False, replace: bool = True
) -> None:
    """Write the card and the licences of saved weights, where `read_papers` looks for them.

    Args:
        target: The path of the weights.
        papers: Contents by name.
        is_trained: Whether the weights have changed since; the card says so then.
        replace: Whether those that are there already are replaced.
    """
    for name, content in papers.items():
        if is_trained and name.lower().startswith("readme"):
            content = _below_block(content, TRAINED)
        path = target / name if target.is_dir() else target.with_name(_prefix(target) + name)
        if replace or not path.exists():
            with new_file(path) as aside:
                aside.write_bytes(content)


def remove_papers(target: Path) -> None:
    """Remove the card and the licences that `read_papers` finds.

    Args:
        target: The path of the weights.
    """
    papers = read_papers(target)
    for name, path in list(_candidates(target)):
        if name in papers:
            path.unlink()


def licences(papers: Papers) -> list[str]:
    """Licences that a card and the files beside it name, each once, in their order.

    Those in a card's block of metadata count where the text below has not named them.

    >>> licences({"README.md": b"text: Wikipedia, CC BY-SA 4.0; code: MIT", "LICENSE": b"MIT"})
    ['CC BY-SA 4.0', 'MIT']
    """
    texts = [content.decode("utf8", "replace") for content in papers.values()]
    found = list(dict.fromkeys(name for text in texts for name in _LICENCES.findall(text)))
    known = {hub_licence([name]) for name in found}
    more = [name for text in texts for name in licences_in(split_card(text)[0])]
    return found + list(dict.fromkeys(name for name in more if hub_licence([name]) not in known))


def _below_block(card: bytes, note: str) -> bytes:
    """A card with a note below its block of metadata, byte for byte as it was elsewhere."""
    text = below_block(card.decode("utf8", "surrogateescape"), note)
    return text.encode("utf8", "surrogateescape")


def _candidates(source: Path) -> Iterator[tuple[str, Path]]:
    """Files beside or in weights with the names they have there, apart from the weights' own."""
    if source.is_dir():
        yield from ((path.name, path) for path in sorted(source.iterdir()))
    elif source.suffix.lower() in SUFFIXES:
        prefix = _prefix(source)
        for path in sorted(source.parent.iterdir()):
            if path.name.startswith(prefix):
                yield path.name.removeprefix(prefix), path


def _prefix(weights: Path) -> str:
    return companion(weights, "", "").name
