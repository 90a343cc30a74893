"""Sections of what describes a network: objects of JSON with the sizes of one of its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from spacy_elmo.errors import problem


def section_of(
    path: Path | str, options: Mapping[str, Any], name: str, advice: str
) -> Mapping[str, Any]:
    """A section of options.

    Args:
        path: Where the options come from, for messages.
        options: The options.
        name: Its key.
        advice: What to do where it is missing.

    Raises:
        WeightsError: If it is missing, or is no object.
    """
    section = options.get(name)
    if not isinstance(section, dict):
        found = "is missing" if section is None else f"is {section!r}"
        what = f"the key {name!r} {found}, expected an object with the sizes of that part"
        raise problem(path, what, advice)
    return section


def check_known(
    path: Path | str, name: str, section: Mapping[str, Any], known: Collection[str]
) -> None:
    """Check that a section has no other keys than those that are understood.

    Args:
        path: Where it comes from, for messages.
        name: Its key.
        section: The section.
        known: The keys that it may have.

    Raises:
        WeightsError: For the first other key.
    """
    unknown = sorted(section.keys() - known)
    if unknown:
        raise problem(
            path,
            f"unknown key {f'{name}.{unknown[0]}'!r}: a switch of the network that is not "
            "understood could change its vectors",
            "Remove it if it has no meaning",
        )
