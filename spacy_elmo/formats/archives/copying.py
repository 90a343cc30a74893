"""Copying a member out of an archive, no more than it said it has."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from spacy_elmo.formats.archives.inventory import Inventory

CHUNK = 2**20


def copy_member(source: IO[bytes], target: Path, name: str, inventory: Inventory) -> None:
    """Write a member to a file.

    Args:
        source: The member, open.
        target: A file that is not there; its folder is made.
        name: The member's name.
        inventory: What the archive says that it holds.

    Raises:
        WeightsError: If it has more or fewer bytes than it said.
    """
    size, written = inventory.sizes[name], 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        while chunk := source.read(CHUNK):
            written += len(chunk)
            if written > size:
                break
            file.write(chunk)
    if written != size:
        more = "more" if written > size else f"{written:,}"
        what = f"says that it has {size:,} bytes, and has {more}"
        raise inventory.refusal(name, what, "The archive is damaged: get it anew")
