"""Whether a folder is a prepared corpus, whole and unaltered: one rule for all that open one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spacy_elmo.errors import CorpusError
from spacy_elmo.files import read_json
from spacy_elmo.types import Array, Ints
from spacy_elmo.vocabulary import VOCABULARY_FILE

FORMAT = "spacy-elmo.corpus"
VERSION = 1
META_FILE = "corpus.json"
TYPES_FILE = "types.txt"
CHECKSUM = "checksum"
"""Key of `corpus.json`; corpora of earlier versions have none."""

_SIZES = ("n_tokens", "n_sentences", "n_types", "n_vocabulary", "max_characters_per_token")
_CHECKED = (VOCABULARY_FILE, TYPES_FILE, "characters.npy")
_N_CHARACTERS = 262  # ids of characters, the padding among them
_BLOCK = 1 << 22
_AGAIN = "Prepare the corpus again"


def read_meta(folder: Path) -> dict[str, Any]:
    """Read and check what `corpus.json` holds.

    Raises:
        FileNotFoundError: If there is no such folder.
        CorpusError: If it is no prepared corpus, or of another version.
    """
    path = folder / META_FILE
    if not folder.exists():
        raise FileNotFoundError(f"no such folder: {folder}")
    if not path.is_file():
        raise CorpusError(f"{folder} is no prepared corpus: there is no {META_FILE}")
    meta = read_json(path, error=CorpusError)
    if meta.get("format") != FORMAT:
        raise CorpusError(f"{path} does not describe a prepared corpus")
    if meta.get("version") != VERSION:
        raise CorpusError(
            f"{path} is of version {meta.get('version')}; this version of spacy-elmo reads "
            f"{VERSION}: prepare the corpus again"
        )
    for name in _SIZES:
        value = meta.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise CorpusError(f"{path}: {name} must be a positive number, not {value!r}")
    if meta["n_vocabulary"] > meta["n_types"]:
        raise CorpusError(f"{path}: the vocabulary has more words than there are types")
    return meta


def map_array(path: Path, dtype: type[np.generic], *shape: int) -> Array:
    """Map an array into memory.

    Args:
        path: The file.
        dtype: The type that it must have.
        shape: The shape that it must have.

    Raises:
        CorpusError: If it is missing, cut, no array, or another one.
    """
    if not path.is_file():
        raise CorpusError(f"{path.parent} is incomplete: there is no {path.name}")
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        found, n_bytes = (array.dtype, array.shape), array.nbytes
    except PermissionError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # damaged headers fail in many ways, all meaning the same
        raise CorpusError(
            f"{path} is cut short or no array: {error or type(error).__name__}. {_AGAIN}"
        ) from error
    if found != (dtype, shape):
        raise CorpusError(
            f"{path} holds {found[0]} {found[1]}, but {META_FILE} asks for {np.dtype(dtype)} "
            f"{shape}. {_AGAIN}"
        )
    if not isinstance(array, np.memmap) or array.offset + n_bytes != path.stat().st_size:
        raise CorpusError(f"{path} is longer than its array. {_AGAIN}")
    return array


def check_sentences(folder: Path, ends: Ints, n_tokens: int) -> None:
    """Check that sentences divide the running text.

    Raises:
        CorpusError: If not.
    """
    if ends[0] != 0 or ends[-1] != n_tokens or np.any(ends[1:] <= ends[:-1]):
        raise CorpusError(
            f"{folder}: sentences.npy does not divide tokens.npy into sentences. {_AGAIN}"
        )


def check_ids(folder: Path, tokens: Array, characters: Array) -> None:
    """Check that the ids of types and characters are some.

    Raises:
        CorpusError: Naming the file, and the place of an id that is none.
    """
    for name, ids, end in (
        ("tokens.npy", tokens, len(characters)),
        ("characters.npy", characters.reshape(-1), _N_CHARACTERS),
    ):
        for start in range(0, len(ids), _BLOCK):
            block = ids[start : start + _BLOCK]
            if block.max() >= end:
                place = start + int(np.argmax(block >= end))
                raise CorpusError(
                    f"{folder / name} is damaged: the id at {place} is {ids[place]}, but all are "
                    f"below {end}. {_AGAIN}"
                )


def check_words(folder: Path, meta: dict[str, Any]) -> None:
    """Check that vocabulary and types are those that were prepared together.

    Args:
        folder: The corpus.
        meta: What its `corpus.json` holds.

    Raises:
        CorpusError: If one of them is missing, of another length or altered.
    """
    for name, lines in ((VOCABULARY_FILE, meta["n_vocabulary"]), (TYPES_FILE, meta["n_types"])):
        path = folder / name
        if not path.is_file():
            raise CorpusError(f"{folder} is incomplete: there is no {name}")
        found = sum(block.count(b"\n") for block in _blocks(path))
        if found != lines:
            raise CorpusError(f"{path} has {found} lines, but {META_FILE} says {lines}. {_AGAIN}")
    path = folder / VOCABULARY_FILE
    with (folder / TYPES_FILE).open("rb") as types:
        for block in _blocks(path):
            if types.read(len(block)) != block:
                raise CorpusError(
                    f"{path} does not hold the first words of {TYPES_FILE}: one of them was "
                    f"altered. {_AGAIN}"
                )
    if CHECKSUM in meta and meta[CHECKSUM] != checksum(folder):
        raise CorpusError(
            f"{folder} is damaged or was altered: {', '.join(_CHECKED)} do not match the checksum "
            f"in {META_FILE}. {_AGAIN}"
        )


def checksum(folder: Path) -> str:
    """The checksum of a corpus's vocabulary, types and characters."""
    value = 0
    for name in _CHECKED:
        for block in _blocks(folder / name):
            value = zlib.crc32(block, value)
    return f"{value:08x}"


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_BLOCK), b"")
