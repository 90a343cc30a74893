"""The variables of a checkpoint: what its index says of each, and their numbers in its data files.

Messages: `BundleHeaderProto` and `BundleEntryProto` of TensorFlow's `tensor_bundle.proto`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from spacy_elmo.errors import problem
from spacy_elmo.formats.blocks import Stored
from spacy_elmo.formats.tensorflow.crc32c import crc32c, masked
from spacy_elmo.formats.tensorflow.protobuf import Malformed, fields, signed
from spacy_elmo.formats.tensorflow.table import read_table
from spacy_elmo.types import Array, Floats, Shape

INDEX = ".index"
LARGEST_INDEX = 1 << 28  # that of a biLM has some kilobytes
_MOST_FILES = 100_000  # a data file's number has five digits
_MOST_AXES = 8
_MOST_WEIGHTS = 10_000  # of a mix of layers
_CHUNK = 1 << 22
_VERSION = 1
_ADVICE = "Get the checkpoint anew"

# Numbers of TensorFlow's types, and what numpy calls them.
_TYPES = {1: "float32", 2: "float64", 3: "int32", 9: "int64", 14: "bfloat16", 19: "float16"}
_BYTES = {"float16": 2, "float32": 4, "float64": 8}


@dataclass(frozen=True)
class Entry:
    """What an index says of a variable.

    Attributes:
        dtype: Type of its numbers.
        shape: Its shape.
        shard: Number of the data file that holds it.
        offset: Its first byte there.
        size: Its bytes.
        crc: Their checksum, masked.
        sliced: Whether it stands there in parts under other names.
    """

    dtype: str
    shape: Shape
    shard: int
    offset: int
    size: int
    crc: int
    sliced: bool


@dataclass(frozen=True)
class Bundle:
    """An index that was read.

    Attributes:
        index: Its path.
        entries: Its variables by name.
        n_shards: Number of data files.
    """

    index: Path
    entries: dict[str, Entry]
    n_shards: int

    def shard(self, number: int) -> Path:
        """A data file."""
        prefix = self.index.name.removesuffix(INDEX)
        return self.index.with_name(f"{prefix}.data-{number:05d}-of-{self.n_shards:05d}")

    def stored(self, name: str) -> Stored:
        """A variable, to be read a block of rows at a time; the whole is checked before the first.

        Raises:
            WeightsError: When it is read: if its data file is missing, too short or damaged.
        """
        entry = self.entries[name]
        return Stored(entry.shape, entry.dtype, partial(self._rows, name, entry))

    def vector(self, name: str) -> Floats:
        """All numbers of a small variable, checked. *Shape:* (n,).

        Raises:
            WeightsError: If it has another type than float32, is larger than any mix, or damaged.
        """
        entry = self.entries[name]
        n = prod(entry.shape)
        if entry.dtype != "float32" or entry.sliced or not 0 < n <= _MOST_WEIGHTS:
            what = f"has shape {entry.shape} and type {entry.dtype}, expected a few of float32"
            raise problem(self.index, what, _ADVICE, tensor=name)
        values: Floats = self._rows(name, replace(entry, shape=(n,)), 0, n)
        return values

    def _rows(self, name: str, entry: Entry, start: int, stop: int) -> Array:
        path = self.shard(entry.shard)
        try:
            with path.open("rb") as file:
                if not start:
                    file.seek(entry.offset)
                    _check(path, name, entry, file)
                rows = np.empty((stop - start, *entry.shape[1:]), np.dtype(entry.dtype))
                file.seek(entry.offset + start * (entry.size // max(1, entry.shape[0])))
                file.readinto(rows.reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise problem(path, f"cannot be read ({error})", _ADVICE, tensor=name) from error
        return rows if sys.byteorder == "little" else rows.byteswap(inplace=True)


def _check(path: Path, name: str, entry: Entry, file: BinaryIO) -> None:
    """Compare a variable with its checksum.

    Args:
        path: The data file, for messages.
        name: The variable.
        entry: What the index says of it.
        file: The data file, at its first byte.

    Raises:
        WeightsError: If the two differ, or the file ends within it.
    """
    crc, left = 0, entry.size
    while left:
        data = file.read(min(left, _CHUNK))
        if not data:
            what = f"ends before byte {entry.offset + entry.size} of the file: it is truncated"
            raise problem(path, what, _ADVICE, tensor=name)
        crc = crc32c(data, crc)
        left -= len(data)
    if masked(crc) != entry.crc:
        what = "does not have the checksum that the index gives: one of the two is damaged"
        raise problem(path, what, _ADVICE, tensor=name)


def read_index(path: Path) -> Bundle:
    """Read an index, all of it checked.

    Args:
        path: The file, `PREFIX.index`.

    Raises:
        WeightsError: If it cannot be read, is damaged, compressed, or of another machine's byte
            order.
    """
    try:
        if path.stat().st_size > LARGEST_INDEX:
            raise problem(path, f"is larger than {LARGEST_INDEX:,} bytes, too large for an index")
        data = path.read_bytes()
    except OSError as error:
        raise problem(path, f"cannot be read ({error})", _ADVICE) from error
    try:
        table = read_table(data)
        n_shards = _header(table.pop(b"", None))
        entries = {_name(key): _entry(key, value, n_shards) for key, value in table.items()}
    except Malformed as error:
        raise problem(path, f"is no index that can be read: {error}", _ADVICE) from error
    return Bundle(path, entries, n_shards)


def _header(message: bytes | None) -> int:
    """Number of data files."""
    if message is None:
        raise Malformed("it has no header")
    n_shards, big_endian, min_consumer = 0, 0, 0
    for number, value in fields(message):
        if number == 1 and isinstance(value, int):
            n_shards = value
        elif number == 2 and isinstance(value, int):
            big_endian = value
        elif number == 3 and isinstance(value, bytes):
            version = dict(fields(value)).get(2, 0)
            if not isinstance(version, int):
                raise Malformed("its version is no number")
            min_consumer = version
    if big_endian:
        raise Malformed("its numbers have the byte order of another machine (big-endian)")
    if min_consumer > _VERSION:
        raise Malformed(f"its version is {min_consumer}, expected {_VERSION}")
    if not 1 <= n_shards <= _MOST_FILES:
        raise Malformed(f"it names {n_shards} data files")
    return n_shards


def _entry(key: bytes, message: bytes, n_shards: int) -> Entry:
    numbers: dict[int, int] = {}
    shape: Shape = ()
    sliced = False
    for number, value in fields(message):
        if number == 2 and isinstance(value, bytes):
            shape = _shape(value)
        elif number == 7:
            sliced = True
        elif isinstance(value, int):
            numbers[number] = value
    kind = numbers.get(1, 0)
    dtype = _TYPES.get(kind, f"type {kind}")
    shard, offset, size = (signed(numbers.get(number, 0)) for number in (3, 4, 5))
    name = _name(key)
    if not 0 <= shard < n_shards or offset < 0 or size < 0:
        raise Malformed(f"the place of {name!r} is no place in its data files")
    if not sliced and dtype in _BYTES and prod(shape) * _BYTES[dtype] != size:
        raise Malformed(f"{name!r} has {size} bytes, which its shape {shape} has not")
    return Entry(dtype, shape, shard, offset, size, numbers.get(6, 0), sliced)


def _shape(message: bytes) -> Shape:
    sizes = []
    for number, value in fields(message):
        if number == 3 and value:
            raise Malformed("a shape is unknown")
        if number == 2 and isinstance(value, bytes):
            size = dict(fields(value)).get(1, 0)
            if not isinstance(size, int) or not 0 <= size < 2**62:
                raise Malformed("a shape is damaged")
            sizes.append(size)
    if len(sizes) > _MOST_AXES:
        raise Malformed(f"a shape has {len(sizes)} axes")
    return tuple(sizes)


def _name(key: bytes) -> str:
    return key.decode("utf8", "backslashreplace")
