"""Writing that is never seen half-done, JSON, and room on the disk: the one place for them.

What is written appears complete or not at all: it is written aside, flushed to disk, then renamed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spacy_elmo.aside import aside_name, remove_leftover, workplace
from spacy_elmo.errors import ElmoError, problem
from spacy_elmo.exchange import exchange


def read_json(path: Path, *, error: type[ElmoError] = ElmoError) -> dict[str, Any]:
    """Read a JSON file that holds one object. A byte order mark at its start is no part of it.

    Args:
        path: The file.
        error: The class of the error.

    Returns:
        The object.

    Raises:
        ElmoError: For anything else: no such file, no JSON, a list, NaN as a number.
    """
    if path.exists() and not path.is_file():
        raise problem(path, "cannot be read: it is no file", error=error)
    try:
        values = json.loads(path.read_text("utf-8-sig"), parse_constant=_no_constant)
    except OSError as cause:
        raise problem(path, f"cannot be read: {cause.strerror}", error=error) from cause
    except (ValueError, RecursionError) as cause:
        what = f"is not valid JSON ({cause})"
        raise problem(path, what, "Restore or rewrite it", error=error) from cause
    if not isinstance(values, dict):
        what = f"holds a {type(values).__name__}, expected an object of keys"
        raise problem(path, what, error=error)
    return values


def write_json(path: Path, values: dict[str, Any], *, allow_nan: bool = False) -> None:
    """Write an object as JSON, indented.

    Args:
        path: The file.
        values: The object.
        allow_nan: Whether infinite numbers and NaN may be written, which not every reader takes.

    Raises:
        ValueError: For such a number where it is not allowed.
    """
    path.write_text(json.dumps(values, indent=2, allow_nan=allow_nan) + "\n", "utf8")


def write_text(path: Path, text: str) -> None:
    """Write a text, UTF-8: completely, or not at all.

    Args:
        path: The file; its folder is made if it is missing.
        text: What it is to hold.
    """
    with new_file(path) as aside:
        aside.write_text(text, "utf8")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Write a file: completely, or not at all.

    Args:
        path: The file; its folder is made if it is missing.

    Yields:
        A name to write to; when the block ends well, what was written there is `path`.
    """
    path = place_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with workplace(path) as folder:
        aside = folder / path.name
        yield aside
        flush(aside)
        aside.replace(path)
        flush(path.parent)


@contextmanager
def new_directory(path: Path, own_files: Collection[str], last: str) -> Iterator[Path]:
    """Write a directory of files: completely, or not at all.

    One that is empty, or that this process stands in, stays and is filled file by file.

    Args:
        path: The directory. The caller has made sure that one which exists may be replaced.
        own_files: Names of the files that a directory of this kind holds, see `put_directory`.
        last: Name of the file that comes last where files come one by one.

    Yields:
        A directory to write to; when the block ends well, it is `path`.
    """
    path = place_of(path)
    if stays(path):
        with new_files(path, last, own_files) as aside:
            yield aside
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with workplace(path) as folder:
        aside = folder / path.name
        aside.mkdir()
        yield aside
        put_directory(aside, path, own_files)


def put_directory(new: Path, path: Path, own_files: Collection[str] | None = None) -> None:
    """Give a finished directory its name, once its files are on disk.

    A directory that is replaced changes places with the new one in one step, where the system can
    (Linux, macOS). Elsewhere a process that dies just between two renames leaves nothing here, and
    both the old and the new one beside it, whole.

    Args:
        new: The directory, in the same file system.
        path: Its name to be; a directory that bears it is replaced.
        own_files: Names of the files that a directory of this kind holds: any others (a model
            card, say) are in the new one too. None: nothing of the old one stays.
    """
    for file in new.rglob("*"):
        flush(file)
    if own_files is not None and path.exists():
        for file in path.iterdir():
            if file.name not in own_files:
                link(file, new / file.name)
    flush(new)
    if not path.exists():
        new.rename(path)
        flush(path.parent)
        return
    if exchange(new, path):
        old = new
    else:
        old = aside_name(path)
        path.rename(old)
        try:
            new.rename(path)
        except OSError:
            old.rename(path)
            raise
    flush(path.parent)
    shutil.rmtree(old)


@contextmanager
def new_files(folder: Path, last: str, own_files: Collection[str] = ()) -> Iterator[Path]:
    """Write several files into a folder that keeps what else it holds.

    Each file appears complete. A process that dies between two of them leaves files of the old and
    the new kind; what the next call with this folder finds of its own is removed.

    Args:
        folder: The folder; made if it is missing.
        last: Name of the file that comes last: who finds it finds all the others.
        own_files: Names of files that go, if they are not among the new ones.

    Yields:
        A directory to write to; when the block ends well, its files are in `folder`.
    """
    folder = place_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftover(folder / ".new.tmp", folder)  # of an earlier version
    with workplace(folder / last) as place:
        aside = place / folder.name
        aside.mkdir()
        yield aside
        move_files(aside, folder, last, own_files)


def move_files(new: Path, folder: Path, last: str, own_files: Collection[str] = ()) -> None:
    """Move finished files into a folder, each in one step.

    Args:
        new: Where they are, in the same file system.
        folder: The folder.
        last: Name of the file that comes last.
        own_files: Names of files that go, if they are not among the new ones.
    """
    files = sorted(new.iterdir(), key=lambda file: (file.name == last, file.name))
    for file in files:
        flush(file)
    for name in {*own_files} - {file.name for file in files}:
        (folder / name).unlink(missing_ok=True)
    for file in files:
        file.replace(folder / file.name)
    flush(folder)


def expanded(path: str | Path) -> Path:
    """A path as a user gives it: `~` is the home directory, where there is one of that name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def is_file(path: Path) -> bool:
    """Whether there is a file of this name; no name is too long to ask."""
    try:
        return path.is_file()
    except OSError:
        return False


def place_of(path: Path) -> Path:
    """Where something is that is to be written under a name: links are followed.

    Raises:
        FileNotFoundError: For a relative name in a folder that was deleted.
    """
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}: the current folder was deleted: change to one that exists, or give an "
            "absolute path"
        ) from error


def stays(path: Path) -> bool:
    """Whether a directory is to be filled, not replaced: it is empty, or the current one."""
    if not path.is_dir():
        return False
    return path == place_of(Path()) or not any(path.iterdir())


def make_room(path: Path, n_bytes: int) -> None:
    """Take room on the disk for a file, where the system can tell.

    Some libraries take the whole process down when there is none on the way.

    Args:
        path: The file; it is made, or emptied.
        n_bytes: Its size.

    Raises:
        OSError: If a file of this size cannot be written now.
    """
    if sys.platform == "linux":
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, n_bytes)


def link(source: Path, target: Path) -> None:
    """Give a file, or all that is in a directory, a second name; copy it where that fails.

    Args:
        source: The file or directory.
        target: The name, which is free.
    """
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, copy_function=_link_file)
    else:
        _link_file(source, target)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _link_file(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without links
        shutil.copy2(source, target, follow_symlinks=False)


def flush(path: Path) -> None:
    """Bring a file or directory to disk. Windows opens no directories, and needs it not."""
    if path.is_dir() and os.name == "nt":
        return
    # Windows flushes only what is open for writing.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
