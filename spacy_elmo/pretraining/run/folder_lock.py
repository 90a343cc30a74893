"""One training at a time in a folder: a lock that ends with the process that holds it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spacy_elmo.errors import TrainingError
from spacy_elmo.locks import NoLocks, lock, unlock

LOCK = "lock"
"""Name of the file that is locked. It stays, and says who held it last."""


@contextmanager
def folder_lock(folder: Path) -> Iterator[str | None]:
    """Within this context no other training may use a folder.

    Args:
        folder: That of the training, made if missing.

    Yields:
        A warning where the file system has no locks; else None.

    Raises:
        TrainingError: If another training is at work, naming its process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    path.touch()
    try:
        handle = lock(path)
    except NoLocks as error:
        yield f"{error}. See to it that no other training works in {folder}"
        return
    if handle is None:
        raise TrainingError(
            f"{folder}: another training is at work there, {_holder(path)}. Wait for its end, stop "
            "it, or train into another folder"
        )
    try:
        path.write_text(json.dumps({"process": os.getpid(), "host": socket.gethostname()}) + "\n")
        yield None
    finally:
        unlock(handle)


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text("utf8"))
        return f"process {int(held['process'])} on {held['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that is just starting"
