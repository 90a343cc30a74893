"""Files of one model that belong together: told by digests, and watched while they are read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from spacy_elmo.errors import problem

ABSENT = "none"
"""What stands for the digest of a vocabulary where there is none."""


def values_digest(values: Mapping[str, Any]) -> str:
    """Digest of JSON values, however they are indented and ordered in a file.

    >>> values_digest({"a": 1, "b": None}) == values_digest({"b": None, "a": 1})
    True
    """
    return _digest(json.dumps(values, sort_keys=True).encode("utf8"))


def words_digest(words: Sequence[str] | None) -> str:
    """Digest of a vocabulary, whatever ends the lines of its file."""
    if words is None:
        return ABSENT
    return _digest("\n".join(words).encode("utf8", "surrogatepass"))


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Digest of the names, shapes and bits of tensors on the CPU, each contiguous."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.numpy().reshape(-1).view(np.uint8).data)
    return total.hexdigest()


_edits_are_meant: ContextVar[bool] = ContextVar("edits_are_meant", default=False)


@contextmanager
def edits_are_meant() -> Iterator[None]:
    """Within this context, files beside weights may differ from those they were written with.

    For those who have edited a config or vocabulary and say so. All else is checked as ever.
    """
    before = _edits_are_meant.set(True)
    try:
        yield
    finally:
        _edits_are_meant.reset(before)


def check_belongs(
    path: Path, weights: Path, found: str, written: str | None, *, source: Path | None
) -> None:
    """Compare a file with the one that some weights were written with.

    Args:
        path: The file.
        weights: The weights.
        found: Its digest.
        written: The digest that the weights hold; None: they are of a version that had none.
        source: What a user gives as the path of the weights; None: the file is none that people
            edit.

    Raises:
        WeightsError: If the two differ, and edits are not meant.
    """
    if written in (None, found) or (source is not None and _edits_are_meant.get()):
        return
    what = f"is not the one that {weights} was written with: a copy or a writer was interrupted"
    if path.exists():
        what += ", it was edited, or it is of another model"
    else:
        what = f"is missing, and {weights} was written with it"
    advice = "Copy or write all files of the model anew, together"
    if source is not None:
        advice += f"; or, if you changed it on purpose: spacy elmo convert {source} NEW --edited"
    raise problem(path, what, advice)


@contextmanager
def unchanged(*paths: Path) -> Iterator[None]:
    """Make sure that some files stay the same files while the block reads them.

    They are held open meanwhile, so that none that replaces one of them can pass for it.

    Args:
        paths: The files; one that is not there must not appear.

    Raises:
        WeightsError: If one of them was replaced, changed, made or removed.
    """
    with ExitStack() as held:
        before: dict[Path, object] = {}
        for path in paths:
            before[path] = None
            with suppress(OSError):  # missing, or what the reader will say
                if path.is_file():  # a pipe would be waited for
                    file = held.enter_context(path.open("rb"))
                    before[path] = _identity(os.fstat(file.fileno()))
        try:
            yield
        except Exception as error:
            _compare(before, error)
            raise
        _compare(before)


def _compare(before: Mapping[Path, object], cause: Exception | None = None) -> None:
    for path, identity in before.items():
        try:
            now = _identity(path.stat()) if path.is_file() and os.access(path, os.R_OK) else None
        except OSError:
            now = None
        if now != identity:
            what = "was replaced while the weights were being read"
            raise problem(path, what, "Load them again, when nobody writes there") from cause


def _identity(status: os.stat_result) -> object:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
