"""Directories in which something is written before it gets its name.

They are locked while their writer lives. What a killed one left is found and removed by the next
that writes to the same name.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from spacy_elmo.locks import NoLocks, is_of, lock, unlock

_NAME = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{8}\.tmp", re.DOTALL)


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """A new directory beside something that is to be written; removed at the end.

    Args:
        target: The file or directory to be. Its folder exists.

    Yields:
        The directory: in the same folder, for only there is a rename a single step.
    """
    remove_leftovers(target.parent, target.name)
    folder, handle = _new(target)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            unlock(handle)
        remove_leftovers(target.parent, target.name)


def aside_name(target: Path) -> Path:
    """A new name in the same folder, by which `remove_leftovers` knows what it was to be."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Remove what killed processes left that were writing aside.

    Nothing is removed whose writer lives or may live, and no directory whose target is missing: it
    may be the only copy.

    Args:
        folder: The folder.
        pattern: Name of what was to be written, or a pattern of names, as for `fnmatch`.
    """
    try:
        paths = list(folder.iterdir())
    except OSError:  # a folder that one may write to and not list
        return
    for path in paths:
        found = _NAME.fullmatch(path.name)
        if found is None or path.is_symlink():
            continue
        name = found["target"]
        if name == pattern or fnmatch(name, pattern):
            remove_leftover(path, folder / name)


def remove_leftover(path: Path, target: Path) -> None:
    """Remove something that was written aside, if its writer is dead; see `remove_leftovers`."""
    try:
        if path.is_dir() and not target.exists():
            return
        handle = lock(path)
    except OSError:  # another has removed it, or it is not known whether its writer lives
        return
    if handle is None:
        return
    try:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # another has removed it, or owns it
                path.unlink()
    finally:
        unlock(handle)


def _new(target: Path) -> tuple[Path, int | None]:
    while True:
        folder = aside_name(target)
        folder.mkdir()
        try:
            handle = lock(folder)
        except NoLocks:
            return folder, None
        except FileNotFoundError:
            continue  # another took it for a leftover before it was locked
        if handle is not None and is_of(handle, folder):
            return folder, handle
        if handle is not None:
            unlock(handle)
