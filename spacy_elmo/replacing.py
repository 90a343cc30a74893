"""Several files of a folder replaced at once: who looks finds all the old or all the new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from spacy_elmo.aside import workplace
from spacy_elmo.exchange import exchange
from spacy_elmo.files import flush, move_files, new_files, place_of


@contextmanager
def new_version(folder: Path, last: str, own_files: Collection[str]) -> Iterator[Path]:
    """Write several files into a folder that keeps what else it holds.

    A folder that holds such files already changes places, in one step, with one that has the new
    ones and second names for all the rest. Where the system or the file system cannot do that, and
    in the current folder, files come one by one, as by `new_files`.

    Args:
        folder: The folder; made if it is missing.
        last: Name of the file by which such a folder is known.
        own_files: Names of files that go, if they are not among the new ones.

    Yields:
        A directory to write to; when the block ends well, its files are in `folder`.
    """
    folder = place_of(folder)
    if not (folder / last).exists() or folder == place_of(Path()):
        with new_files(folder, last, own_files) as aside:
            yield aside
        return
    with workplace(folder / last) as place:
        aside = place / folder.name
        aside.mkdir()
        yield aside
        if not _change_places(aside, folder, own_files):
            move_files(aside, folder, last, own_files)


def _change_places(new: Path, folder: Path, own_files: Collection[str]) -> bool:
    """Whether the folder could be replaced as a whole; if not, it is as it was."""
    try:
        with workplace(folder) as place:
            whole = place / folder.name
            whole.mkdir()
            shutil.copymode(folder, whole)
            for file in new.iterdir():
                flush(file)
                os.link(file, whole / file.name)
            for part in folder.iterdir():
                if part.name not in own_files and part != new.parent:
                    _link(part, whole / part.name)
            flush(whole)
            done = exchange(whole, folder)
            if done:
                flush(folder.parent)
            return done
    except OSError:  # no links here, or nothing may be written beside the folder
        return False


def _link(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, copy_function=os.link)
    else:
        os.link(source, target, follow_symlinks=False)
