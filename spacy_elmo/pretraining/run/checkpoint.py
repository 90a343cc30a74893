"""Checkpoints: one safetensors file each, written aside and renamed, checked when read.

A file holds every tensor a run needs to go on (weights, optimizer, LSTM state) and, as JSON in its
metadata, everything else (step, tokens seen, time, config, corpus). The position in the data and
all random numbers follow from the step. A checksum guards against a file that was cut or altered.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spacy_elmo.errors import CheckpointError, DamagedCheckpoint

FORMAT = "spacy-elmo.checkpoint"
VERSION = "1"
_NAME = re.compile(r"step-(\d{9})\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """tensors: By name, on the CPU. state: JSON values."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def write(folder: Path, step: int, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Write a checkpoint; it is either there as a whole or not at all.

    folder: Made if missing. keep: Older checkpoints than this many are removed afterwards.

    Raises OSError, for instance when the disk is full; earlier checkpoints stay as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("step-*.tmp"):  # by a process that was killed while it wrote
        left.unlink()
    path = folder / f"step-{step:09d}.safetensors"
    aside = path.with_suffix(".tmp")
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "state": json.dumps(checkpoint.state),
    }
    metadata["checksum"] = str(_checksum(checkpoint.tensors, metadata["state"]))
    try:
        try:
            save_file(checkpoint.tensors, aside, metadata)
        except SafetensorError as error:  # how safetensors reports a failed write
            raise OSError(f"cannot write {aside}: {error}") from error
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.replace(path)
        _sync_names(folder)
    finally:
        aside.unlink(missing_ok=True)
    for old in found(folder)[:-keep]:
        old.unlink()
    return path


def found(folder: Path) -> list[Path]:
    """Checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def read(path: Path) -> Checkpoint:
    """Read and check a checkpoint.

    Raises CheckpointError, naming the file, if it cannot be read, and DamagedCheckpoint if that is
    for good.
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
    text = metadata["state"]
    if str(_checksum(tensors, text)) != metadata["checksum"]:
        raise DamagedCheckpoint(f"{path}: damaged: its checksum does not match its contents")
    return Checkpoint(tensors, json.loads(text))


def _checksum(tensors: Mapping[str, Tensor], text: str) -> int:
    value = zlib.crc32(text.encode())
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, value)
    return value


def _sync_names(folder: Path) -> None:
    """See to it that a new name is on disk, where a folder can be opened (not on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
