"""Reading an archive: its members into a folder, which is read like any other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.formats import dispatch
from spacy_elmo.formats.archives import cache
from spacy_elmo.formats.archives.kinds import SUFFIXES, ZIP, archives_in, is_archive, kind_of
from spacy_elmo.formats.archives.tars import TarReader
from spacy_elmo.formats.archives.zips import ZipReader
from spacy_elmo.formats.foreign import describe
from spacy_elmo.formats.format import Format
from spacy_elmo.formats.generation import unchanged
from spacy_elmo.home import VARIABLE

# What no format needs: TensorFlow's graph, AllenNLP's words, states of its training and the weights
# that the task began with.
_UNNEEDED = (
    *("*.meta", "vocabulary/*", "*/vocabulary/*", "fta/*weight_file*", "*/fta/*weight_file*"),
    *("*model_state_*.th", "*training_state_*.th"),
)


def format_of(formats: Sequence[Format]) -> Format:
    """The format of archives that hold weights in one of some formats.

    Args:
        formats: Those that their contents may have, in the order they are tried.
    """

    def read(
        path: Path,
        *,
        options: Path | None,
        vocab: Path | None,
        device: str | torch.device,
        part: str | None = None,
    ) -> BiLM:
        archive = path if path.is_file() else _only(path)

        def read_folder(folder: Path) -> BiLM:
            with _told_of(archive, folder):
                home, known = _weights_in(formats, folder)
                return dispatch.read(known, home, part, options=options, vocab=vocab, device=device)

        with unchanged(archive):
            lm = _read(archive, read_folder)
        lm.read_as += " in an archive"
        return lm

    return Format(
        description=f"a zip or tar archive of one of these ({', '.join(SUFFIXES[:5])})",
        recognise=lambda path: is_archive(path) or (path.is_dir() and bool(archives_in(path))),
        read=read,
        read_part=read,
    )


def contents(path: Path) -> Path | None:
    """The folder of the cache that holds what an archive held, if it is one that was read.

    Args:
        path: A file or folder.
    """
    try:
        folder = cache.find(path) if is_archive(path) else None
        while folder is not None and len(inside := list(folder.iterdir())) == 1:
            if not inside[0].is_dir():
                break
            folder = inside[0]
    except OSError:
        return None
    return folder


def _read(archive: Path, read_folder: Callable[[Path], BiLM]) -> BiLM:
    kept = cache.find(archive)
    if kept is not None:
        try:
            return read_folder(kept)
        except WeightsError:
            pass  # whatever became of the cache, the archive decides
    opened = _open(archive)
    sizes = {
        name: size
        for name, size in opened.inventory.sizes.items()
        if not any(fnmatchcase(name, pattern) for pattern in _UNNEEDED)
    }
    with ExitStack() as held:
        try:
            place = held.enter_context(cache.unpacking(archive))
            place.check_room(sum(sizes.values()))
            opened.unpack({name: place.folder / name for name in sizes})
        except OSError as error:
            advice = f"Make room, or set {VARIABLE} to another folder"
            raise problem(archive, f"could not be unpacked ({error})", advice) from error
        lm = read_folder(place.folder)
        place.keep(sizes, replace=kept is not None)
        return lm


def _open(archive: Path) -> ZipReader | TarReader:
    kind = kind_of(archive)
    if kind == ZIP:
        return ZipReader(archive)
    if kind is None and not archive.name.lower().endswith(".tar"):
        with archive.open("rb") as file:
            first = file.read(12)
        what = f"begins with {first!r}" if first else "is empty"
        advice = "Get it anew: a download may have ended early, or given a page instead"
        raise problem(archive, f"is no archive, whatever its name says: it {what}", advice)
    return TarReader(archive, kind)


def _only(folder: Path) -> Path:
    found = archives_in(folder)
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        what = f"holds {len(found)} archives: {names}"
        raise problem(folder, what, "Give the path of the one to load")
    return found[0]


def _weights_in(formats: Sequence[Format], folder: Path) -> tuple[Path, Format]:
    """What holds the weights: the folder, or the only one in it that does."""
    place = folder
    while True:
        known = dispatch.recognise(formats, place)
        if known is not None:
            return place, known
        inner = sorted(each for each in place.iterdir() if each.is_dir())
        found = [
            (each, known)
            for each in inner
            if (known := dispatch.recognise(formats, each)) is not None
        ]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(each.name for each, _ in found)
            what = f"holds weights in {len(found)} folders: {names}"
            raise problem(folder, what, "Unpack it, and give the path of one of them")
        if len(inner) != 1:
            what, advice = describe(place)
            raise problem(
                folder, f"holds no weights ({what})", advice or dispatch.expected(formats)
            )
        place = inner[0]


@contextmanager
def _told_of(archive: Path, folder: Path) -> Iterator[None]:
    """Within this context errors name the archive and its members, not where they are unpacked."""
    try:
        yield
    except WeightsError as error:
        told = str(error).replace(f"{folder}{os.sep}", f"{archive}: member ")
        raise WeightsError(told.replace(str(folder), str(archive))) from error
    except OSError as error:
        told = str(error).replace(f"{folder}{os.sep}", "member ")
        raise problem(archive, f"was unpacked, and could not be read ({told})") from error
