"""Files beside weights: JSON read strictly, and writing that is never seen half-done."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spacy_elmo.errors import problem


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object.

    Raises WeightsError for anything else: no such file, no JSON, a list, NaN as a number.
    """
    try:
        values = json.loads(path.read_text("utf8"), parse_constant=_no_constant)
    except OSError as error:
        raise problem(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise problem(path, f"is not valid JSON ({error})", "Restore or rewrite it") from error
    if not isinstance(values, dict):
        raise problem(path, f"holds a {type(values).__name__}, expected an object of keys", "")
    return values


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write an object as JSON, indented."""
    path.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", "utf8")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields a name to write to; when the block ends well, what was written there is `path`.

    The file appears complete or not at all: it is written aside, flushed to disk, then renamed.
    """
    if path.is_dir():
        raise problem(path, "is a directory, expected a file name", "Choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    try:
        yield aside
        _flush(aside)
        aside.replace(path)
        _flush(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def new_directory(path: Path, own_files: frozenset[str]) -> Iterator[Path]:
    """Yields a directory to write to; when the block ends well, it is `path`.

    path: The directory. The caller has made sure that one which exists may be replaced. Files in
        it other than `own_files` are none of ours (a model card, say), and move to the new one.
        No system replaces a directory in one step: a process that dies just between the two
        renames leaves nothing here, and both the old and the new one beside it, whole.
    own_files: Names of the files that a directory of this kind holds.
    """
    path = path.resolve()  # a link to a directory keeps pointing to it
    path.parent.mkdir(parents=True, exist_ok=True)
    aside, old = _aside(path), _aside(path)
    aside.mkdir()
    try:
        yield aside
        for file in aside.iterdir():
            _flush(file)
        _flush(aside)
        if path.exists():
            path.rename(old)
        try:
            aside.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        _flush(path.parent)
        if old.exists():
            for file in old.iterdir():
                if file.name not in own_files:
                    file.rename(path / file.name)
            shutil.rmtree(old)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def make_room(path: Path, n_bytes: int) -> None:
    """Raises OSError if a file of this size cannot be written now, where the system can tell.

    Some libraries take the whole process down when that happens to them on the way.
    """
    if sys.platform == "linux":
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, n_bytes)


def _aside(path: Path) -> Path:
    """A new name in the same folder: only there is a rename a single step."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _flush(path: Path) -> None:
    """Bring a file or directory to disk. Windows opens no directories, and needs it not."""
    if path.is_dir() and os.name == "nt":
        return
    # Windows flushes only what is open for writing.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
