"""A model from the network to its folder: whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from spacy_elmo.catalogue.cache import Fetched
from spacy_elmo.catalogue.content import check_whole
from spacy_elmo.catalogue.entries import File
from spacy_elmo.catalogue.part import Part
from spacy_elmo.catalogue.record import (
    CARD,
    RECORD,
    Record,
    is_record,
    read_record,
    write_record,
)
from spacy_elmo.catalogue.transfer import BrokenOff, Progress, transfer
from spacy_elmo.errors import DownloadError, ElmoError, problem
from spacy_elmo.files import move_files, place_of, put_directory, stays
from spacy_elmo.locks import NoLocks, is_of, lock, unlock

# Small files first: when one of them is not there, nothing large was fetched in vain.
_ORDER = {"options": 0, "vocab": 1, "part": 2, "weights": 3}


def download(
    name: str,
    files: Sequence[File],
    facts: Mapping[str, str],
    folder: Path,
    *,
    progress: Progress,
    sha256: Mapping[str, str] | None = None,
    force: bool = False,
) -> Fetched:
    """Download a model, or check the one that is there.

    Files are fetched into a folder beside the model's, which becomes it in one step. What a killed
    or broken off download left there is gone on with. Of a first download the hashes are kept, and
    each later one of the same file must have them.

    Args:
        name: Name of the model.
        files: Its files.
        facts: What the catalogue says of it.
        folder: Where it goes.
        progress: Told of every piece.
        sha256: Hashes by file name, in place of any that are known.
        force: Fetch it anew where it is there already.

    Returns:
        The model.

    Raises:
        DownloadError: If it cannot be had, or is not what it should be.
        BrokenOff: If the same command may go on later.
    """
    folder = place_of(folder.expanduser())
    given = {file: digest.lower() for file, digest in (sha256 or {}).items()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _aside(folder, progress) as aside:
        before = _before(folder, force)
        wanted = [_expected(file, before, given) for file in files]
        if before is None and not force and _by_hand(folder, wanted):
            before = Record(name, tuple(wanted), dict(facts))
        if before is not None and not force:
            _check_same(folder, before, wanted)
            checked = tuple(_checked(file, folder) for file in wanted)
            write_record(folder, Record(before.name, checked, before.facts))
            return Fetched(before.name, folder, checked, before.facts)
        _check_replaceable(folder, before)
        by_hand = [file for file in wanted if file.url is None]
        if by_hand:
            raise problem(
                folder,
                f"{by_hand[0].name} has no address that is known",
                f"`spacy elmo info {name}` says where it is: put it into this folder, and run the "
                "same command again",
                error=DownloadError,
            )
        done = {}
        for file in sorted(wanted, key=lambda file: _ORDER[file.role]):
            done[file.name] = _fetch(file, aside, progress)
        for path in aside.iterdir():
            if path.name not in done:  # of a download that wanted other files
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        fetched = tuple(done[file.name] for file in wanted)
        write_record(aside, Record(name, fetched, dict(facts)))
        known = (*wanted, *(before.files if before is not None else ()))
        own = {RECORD, CARD, *(file.name for file in known)}
        if stays(folder):
            move_files(aside, folder, RECORD, own)
        else:
            put_directory(aside, folder, own)
    return Fetched(name, folder, fetched, dict(facts))


@contextmanager
def _aside(folder: Path, progress: Progress) -> Iterator[Path]:
    """The locked folder in which a model is put together; it stays when that was broken off."""
    aside = folder.with_name(f".{folder.name}.part")
    handle = None
    while handle is None:
        aside.mkdir(exist_ok=True)
        try:
            handle = lock(aside)
        except FileNotFoundError:
            continue  # another has just finished
        except NoLocks as error:
            progress.say(f"{error}. See to it that nobody else downloads {folder.name}")
            break
        if handle is None:
            what = "is being downloaded by another process"
            raise problem(folder, what, "Wait for its end, or stop it", error=DownloadError)
        if not is_of(handle, aside):
            unlock(handle)
            handle = None
    try:
        yield aside
    except (BrokenOff, KeyboardInterrupt):
        _remove_empty(aside)
        raise
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    else:
        _remove_empty(aside)
    finally:
        if handle is not None:
            unlock(handle)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # it has become the model's, or something is kept in it
        folder.rmdir()


def _before(folder: Path, force: bool) -> Record | None:
    try:
        return read_record(folder)
    except ElmoError:
        if force:
            return None
        raise


def _expected(file: File, before: Record | None, given: Mapping[str, str]) -> File:
    """A file with the hashes that it must have."""
    hashes = dict(file.hashes or {})
    for known in before.files if before is not None else ():
        if known.name == file.name and known.url == file.url:
            hashes |= known.hashes or {}
    if file.name in given:
        # Whoever gives a hash knows which file it is: what was known before may be wrong.
        return replace(file, bytes=None, hashes={"sha256": given[file.name]})
    return replace(file, hashes=hashes or None)


def _by_hand(folder: Path, files: Sequence[File]) -> bool:
    """Whether somebody has put the files there, and no record of another kind."""
    return not (folder / RECORD).exists() and all((folder / file.name).is_file() for file in files)


def _check_same(folder: Path, before: Record, wanted: Sequence[File]) -> None:
    there = sorted((file.name, file.url or "") for file in before.files)
    if there != sorted((file.name, file.url or "") for file in wanted):
        what = f"holds {before.name}, with other files: {', '.join(name for name, _ in there)}"
        raise problem(folder, what, "Give another name, or --force", error=DownloadError)


def _checked(file: File, folder: Path) -> File:
    path = folder / file.name
    if not path.is_file():
        what, advice = "is missing", "Fetch the model anew, with --force"
        raise problem(path, what, advice, error=DownloadError)
    return replace(file, bytes=path.stat().st_size, hashes=check_whole(file, path))


def _check_replaceable(folder: Path, before: Record | None) -> None:
    if before is not None or not folder.exists():
        return
    if not folder.is_dir():
        raise problem(folder, "is no folder", "Give another name", error=DownloadError)
    if any(folder.iterdir()) and not is_record(folder / RECORD):
        what = "is a folder of other things, so it is not replaced"
        raise problem(folder, what, "Give another folder, or empty it", error=DownloadError)


def _fetch(file: File, folder: Path, progress: Progress) -> File:
    """One file, checked: its size and sha256 are known then."""
    target = folder / file.name
    part = Part(folder, file.name)
    if not target.is_file() or part.url != file.url:  # of a download of another model, perhaps
        target.unlink(missing_ok=True)
        transfer(file, part, progress)
        part.finish(target)
    return _checked(file, folder)
