"""The folder in which a corpus is prepared, until it is complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spacy_elmo.aside import remove_leftovers
from spacy_elmo.errors import CorpusError
from spacy_elmo.files import move_files, place_of, put_directory, stays
from spacy_elmo.locks import NoLocks, is_of, lock, unlock
from spacy_elmo.pretraining.corpus.checks import META_FILE, read_meta
from spacy_elmo.pretraining.corpus.corpus import Corpus

PARTIAL = ".partial"


@contextmanager
def partial_folder(output: Path, force: bool) -> Iterator[Path]:
    """A new folder for a corpus that is to be `output`, locked while this process lives.

    Links are followed. A folder that is empty, or that this process stands in, stays and is filled
    when the corpus is complete; any other is replaced.

    Args:
        output: The folder to be.
        force: Whether a corpus may be replaced, and what a killed run left.

    Yields:
        `<output>.partial`, or `.partial` in a folder that stays; empty. When the block ends well,
        its files are the corpus; if it fails, it is removed.

    Raises:
        FileExistsError: If there is something that may not be replaced, or another run is at work.
    """
    output = place_of(output)
    inside = output / PARTIAL
    partial = output.with_name(output.name + PARTIAL)
    if partial.is_dir() and not output.exists():
        _finish(partial, output)
    elif inside.is_dir():
        _finish_filling(inside, output)
    _check_output(output, force)
    filled = inside.exists() or stays(output)
    partial = inside if filled else partial
    handle = _take(partial, force)
    try:
        yield partial
        if filled:
            _fill(partial, output)
        else:
            put_directory(partial, output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        if handle is not None:
            unlock(handle)
    remove_leftovers(output.parent, output.name)


def _check_output(output: Path, force: bool) -> None:
    if not output.exists():
        return
    if output.is_dir() and {path.name for path in output.iterdir()} <= {PARTIAL}:
        return
    if not force:
        raise FileExistsError(f"{output} exists already: give another name, or force to replace it")
    if not (output / META_FILE).is_file():
        raise FileExistsError(f"{output} exists and is no prepared corpus, so it is not replaced")


def _finish(partial: Path, output: Path) -> None:
    """Give a complete corpus its name, where a run was killed just before that.

    Where the system needs two renames to replace a corpus, there is none between them.
    """
    handle = _lock(partial)
    if handle is None:
        return
    try:
        Corpus(partial)
    except (CorpusError, OSError):
        pass  # not complete
    else:
        put_directory(partial, output)
    finally:
        unlock(handle)


def _fill(partial: Path, output: Path) -> None:
    (output / META_FILE).unlink(missing_ok=True)
    move_files(partial, output, last=META_FILE)
    partial.rmdir()


def _finish_filling(partial: Path, output: Path) -> None:
    """Fill a folder to the end, where a run was killed that was at it."""
    handle = _lock(partial)
    if handle is None:
        return
    try:
        read_meta(partial)  # which is written when all else is
    except (CorpusError, OSError):
        pass
    else:
        _fill(partial, output)
    finally:
        unlock(handle)


def _take(partial: Path, force: bool) -> int | None:
    """Make the folder and lock it."""
    if partial.exists():
        handle = _lock(partial)
        try:
            if not force:
                raise FileExistsError(
                    f"{partial} exists: another run that was at work on it was killed; force to "
                    "start again, or delete it"
                )
            shutil.rmtree(partial)
        finally:
            if handle is not None:
                unlock(handle)
    partial.mkdir(parents=True)
    handle = _lock(partial)
    if handle is not None and not is_of(handle, partial):
        unlock(handle)
        raise _at_work(partial)
    return handle


def _lock(partial: Path) -> int | None:
    """The lock of the folder; None where there are no locks, so that nobody knows."""
    try:
        handle = lock(partial)
    except NoLocks:
        return None
    if handle is None:
        raise _at_work(partial)
    return handle


def _at_work(partial: Path) -> FileExistsError:
    return FileExistsError(
        f"{partial}: another run is at work on it. Wait for its end, or give another name"
    )
