"""The folder in which a corpus is prepared, until it is complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spacy_elmo.aside import remove_leftovers
from spacy_elmo.errors import CorpusError
from spacy_elmo.files import put_directory
from spacy_elmo.locks import NoLocks, is_of, lock, unlock
from spacy_elmo.pretraining.corpus.checks import META_FILE
from spacy_elmo.pretraining.corpus.corpus import Corpus


@contextmanager
def partial_folder(output: Path, force: bool) -> Iterator[Path]:
    """A new folder for a corpus that is to be `output`, locked while this process lives.

    Args:
        output: The folder to be; the caller gives the new one its name.
        force: Whether a corpus may be replaced, and what a killed run left.

    Yields:
        `<output>.partial`, empty. If the block fails, it is removed.

    Raises:
        FileExistsError: If there is something that may not be replaced, or another run is at work.
    """
    partial = output.with_name(output.name + ".partial")
    if partial.is_dir() and not output.exists():
        _finish(partial, output)
    _check_output(output, force)
    handle = _take(partial, force)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        if handle is not None:
            unlock(handle)
    remove_leftovers(output.parent, output.name)


def _check_output(output: Path, force: bool) -> None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
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
