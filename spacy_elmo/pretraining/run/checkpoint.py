"""Checkpoints: one safetensors file each, written aside and renamed, checked when read.

A file holds every tensor a run needs to go on (weights, optimizer, LSTM state) and, as JSON in its
metadata, everything else (step, tokens seen, time, the place in the text, config, corpus). All
random numbers follow from the step. A checksum guards against a file that was cut or altered.
"""

from __future__ import annotations

import errno
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spacy_elmo.aside import remove_leftovers
from spacy_elmo.errors import CheckpointError, DamagedCheckpoint
from spacy_elmo.files import new_file
from spacy_elmo.pretraining.run.checks import check_values

FORMAT = "spacy-elmo.checkpoint"
VERSION = "1"
COUNTS = ("step", "tokens")
# Older ones are removed when one is written.
KEPT = 2
_NAME = re.compile(r"step-(\d{9})\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        tensors: By name, on the CPU.
        state: JSON values.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def write(folder: Path, step: int, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint; it is either there as a whole or not at all.

    Args:
        folder: Made if missing.
        step: Steps taken, which name the file.
        checkpoint: What to write.

    Returns:
        The file.

    Raises:
        OSError: For instance when the disk is full; earlier checkpoints stay as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder, "step-*")
    for left in folder.glob("step-*.tmp"):  # of earlier versions
        left.unlink()
    path = folder / f"step-{step:09d}.safetensors"
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "state": json.dumps(checkpoint.state),
    }
    metadata["checksum"] = str(_checksum(checkpoint.tensors, metadata["state"]))
    with new_file(path) as aside:
        try:
            save_file(checkpoint.tensors, aside, metadata)
        except SafetensorError as error:  # how safetensors reports a failed write
            raise OSError(f"cannot write {aside}: {error}") from error
    for old in found(folder)[:-KEPT]:
        old.unlink()
    return path


def found(folder: Path) -> list[Path]:
    """Checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def read(path: Path) -> Checkpoint:
    """Read and check a checkpoint.

    Raises:
        CheckpointError: If it cannot be read, naming the file; DamagedCheckpoint if that is for
            good.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise DamagedCheckpoint(f"{path}: cannot be read as a checkpoint: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
        raise CheckpointError(f"{path}: not a checkpoint of version {VERSION} of this package")
    text = metadata.get("state", "")
    if str(_checksum(tensors, text)) != metadata.get("checksum"):
        raise DamagedCheckpoint(f"{path}: damaged: its checksum does not match its contents")
    try:
        state = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpoint(f"{path}: damaged: its state is no JSON ({error})") from error
    if not isinstance(state, dict):
        raise DamagedCheckpoint(f"{path}: damaged: its state is no object of keys")
    try:
        check_values(state, COUNTS)
    except DamagedCheckpoint as error:
        raise DamagedCheckpoint(f"{path}: damaged: {error}") from error
    return Checkpoint(tensors, state)


def checksum(path: Path) -> str:
    """The checksum that a checkpoint says of itself: by it two are the same.

    Raises:
        CheckpointError: If it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return str((file.metadata() or {})["checksum"])
    except (SafetensorError, OSError, KeyError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error


@contextmanager
def saying_what_is_safe(what: str, folder: Path) -> Iterator[None]:
    """Within this context an OSError says what could not be written, and what is safe.

    Args:
        what: What is being written.
        folder: That of the checkpoints.
    """
    try:
        yield
    except OSError as error:
        good = found(folder)
        kept = f"the last good checkpoint is {good[-1]}" if good else "there is no checkpoint"
        raise OSError(
            f"cannot write {what} ({error}); {kept}. {_advice(error)} and run the same command "
            "again to go on from there"
        ) from error


def _advice(error: OSError) -> str:
    """What to do about an error of writing."""
    number = error.errno
    told = re.search(r"os error (\d+)", str(error))  # as safetensors tells it
    if number is None and told is not None:
        number = int(told[1])
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "Make room"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Make it writable"
    return "Put that right"


def _checksum(tensors: Mapping[str, Tensor], text: str) -> int:
    value = zlib.crc32(text.encode())
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, value)
    return value
