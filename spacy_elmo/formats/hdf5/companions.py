"""Which options and vocabulary belong to an HDF5 file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from spacy_elmo.errors import problem
from spacy_elmo.files import link

SUFFIXES = (".hdf5", ".h5")

# Names that occur beside those that end in "options.json" and "vocab.txt".
_SPELLINGS = {
    "options": re.compile(r"(.+[_-])?options[_-]?\d*\.json"),
    "vocab": re.compile(r"(.+[_-])?vocab[_-]?[\d-]*\.txt(\.gz)?"),
}
_WEIGHTS = re.compile(r"(?<![A-Za-z])weights(?![A-Za-z])")

_ADVICE = {
    "weights": "Give the path of the one to load",
    "options": "Give the path of the one that belongs to the weights as `options`",
    "vocab": "Give the path of the one that belongs to the weights as `vocab`",
}


def weight_files(folder: Path) -> list[Path]:
    """HDF5 files in a folder, by their endings."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def weights_in(folder: Path) -> Path:
    """The HDF5 file of a folder: the only one, or among several the one named `model`.

    Raises:
        WeightsError: If there are several, none of them or more than one named so.
    """
    files = weight_files(folder)
    named = [file for file in files if file.stem == "model"]
    return named[0] if len(named) == 1 else only(folder, "weights", files)


def companion(weights: Path, kind: str, suffix: str) -> Path:
    """The file that bears the name of a weight file.

    >>> companion(Path("elmo.hdf5"), "options", ".json").name
    'elmo_options.json'
    >>> companion(Path("elmo_weights.hdf5"), "options", ".json").name
    'elmo_options.json'
    """
    return weights.with_name(f"{weights.stem.removesuffix('_weights')}_{kind}{suffix}")


def own_names(weights: Path, kind: str, suffix: str) -> list[Path]:
    """The names that options or a vocabulary of a weight file may bear, by its own.

    >>> [path.name for path in own_names(Path("sl-elmo-weights.hdf5"), "options", ".json")]
    ['sl-elmo-weights_options.json', 'sl-elmo-options.json']
    """
    names = [companion(weights, kind, suffix)]
    if weights.stem != "weights" and _WEIGHTS.search(weights.stem):
        names.append(weights.with_name(_WEIGHTS.sub(kind, weights.stem) + suffix))
    if kind == "vocab":
        names += [path.with_name(f"{path.name}.gz") for path in names]
    return names


def beside(weights: Path, kind: str, suffix: str) -> Path | None:
    """The options or vocabulary beside a weight file, or else beside what it is a link to.

    One that bears the weights' name comes first. Otherwise there must be only one, named
    `options.json` or `*_options.json`, that does not bear the name of other weights; if there is
    none, only one of another spelling: `options262.json`, `vocab-2016-09-10.txt`, `vocab.txt.gz`.

    Args:
        weights: The weight file.
        kind: "options" or "vocab".
        suffix: Ending of such files.

    Returns:
        The file, or None if there is none.

    Raises:
        WeightsError: If there are several.
    """
    found = (_beside(place, kind, suffix) for place in _targets(weights))
    return next((file for file in found if file is not None), None)


def own(weights: Path, kind: str, suffix: str) -> Path | None:
    """The options or vocabulary that bears the name of a weight file, or None."""
    names = (name for place in _targets(weights) for name in own_names(place, kind, suffix))
    return next((name for name in names if name.is_file()), None)


def _beside(weights: Path, kind: str, suffix: str) -> Path | None:
    for name in own_names(weights, kind, suffix):
        if name.is_file():
            return name
    others = {
        name
        for other in weight_files(weights.parent)
        for name in own_names(other, kind, suffix)
        if other.name != weights.name
    }
    plain = f"{kind}{suffix}"
    there = [
        file
        for file in sorted(weights.parent.iterdir())
        if file.name == plain or (_SPELLINGS[kind].fullmatch(file.name) and file not in others)
    ]
    usual = [file for file in there if file.name == plain or file.name.endswith(f"_{plain}")]
    found = usual or [file for file in there if file.is_file()]
    return only(weights.parent, kind, found) if found else None


def _targets(weights: Path) -> Iterator[Path]:
    """A path, and what it is a link to, link by link."""
    for _ in range(40):  # as many as systems follow
        yield weights
        if not weights.is_symlink():
            return
        weights = weights.parent / weights.readlink()


def only(folder: Path, kind: str, found: list[Path]) -> Path:
    """The only one of the files found.

    Raises:
        WeightsError: If there are several; it names them.
    """
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.name for file in found)
    raise problem(folder, f"holds {len(found)} {kind} files: {names}", _ADVICE[kind])


def keep(file: Path, digest: str) -> None:
    """Keep a companion that is about to be replaced, under a name that tells its content.

    Until the weights are replaced as well, whoever reads the old ones finds it with `kept`.
    """
    target = _kept_name(file, digest)
    if not target.exists():
        link(file, target)


def kept(file: Path, digest: str | None) -> Path:
    """A companion as it was when some weights were written.

    Args:
        file: The file.
        digest: What the weights say its digest is; None: they do not say.

    Returns:
        The file, or the one before it, if a writer died after it had replaced it.

    Raises:
        WeightsError: If a writer died so, and the weights do not say which one is theirs.
    """
    if digest is not None:
        old = _kept_name(file, digest)
        return old if old.is_file() else file
    if olds := list(file.parent.glob(_kept_name(file, "*").name)):
        what = f"was replaced by a writer that died; the one before it is {olds[0].name}"
        raise problem(file, what, "Give it its name again, or remove it")
    return file


def forget_kept(file: Path) -> None:
    """Remove what `keep` kept of a companion."""
    for old in file.parent.glob(_kept_name(file, "*").name):
        old.unlink(missing_ok=True)


def _kept_name(file: Path, digest: str) -> Path:
    return file.with_name(f".{file.name}.{digest[:16]}.old")
