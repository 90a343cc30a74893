"""Tables of sorted keys and values, the form of an index: LevelDB's, as TensorFlow writes it.

Blocks follow each other: data, an empty one about them, one that tells where they are; the last 48
bytes say where those two are. A block ends in its kind of compression and its checksum, both of
which are checked, and the blocks must fill the file: no byte of it can be another without notice.
Format: https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

from collections.abc import Iterator

from spacy_elmo.formats.tensorflow.crc32c import crc32c, masked
from spacy_elmo.formats.tensorflow.protobuf import Malformed, varint

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER = 48
_TRAILER = 5
# Keys share their beginnings, so a small file could stand for keys that fill the memory.
_LONGEST_KEY = 4096
_LONGEST_KEYS = 1 << 26  # all of them; those of a biLM have some kilobytes
_COMPRESSIONS = {1: "snappy", 2: "zlib", 4: "zstd"}

Handle = tuple[int, int]


def read_table(data: bytes) -> dict[bytes, bytes]:
    """Values by key.

    Args:
        data: The file.

    Raises:
        Malformed: If it is damaged, no such table, or compressed.
    """
    if len(data) < FOOTER or data[-len(MAGIC) :] != MAGIC:
        raise Malformed("it does not end as a table does: it is truncated, or no index")
    end = len(data) - FOOTER
    at = end
    about, at = _handle(data, at)
    directory, at = _handle(data, at)
    if any(data[at : len(data) - len(MAGIC)]):
        raise Malformed("its last bytes are damaged")
    handles = []
    for _, value in _entries(_block(data, directory)):
        handle, rest = _handle(value, 0)
        if rest != len(value):
            raise Malformed("the place of a block is damaged")
        handles.append(handle)
    for _ in _entries(_block(data, about)):
        pass  # nothing in it is needed, all of it is checked
    place = 0
    for offset, size in (*handles, about, directory):
        if offset != place:
            raise Malformed(f"a block is expected at byte {place}, said to be at {offset}")
        place = offset + size + _TRAILER
    if place != end:
        raise Malformed(f"its blocks end at byte {place}, expected at {end}")
    table: dict[bytes, bytes] = {}
    last: bytes | None = None
    length = 0
    for handle in handles:
        for key, value in _entries(_block(data, handle)):
            if last is not None and key <= last:
                raise Malformed("its keys are not in order")
            length += len(key)
            if length > _LONGEST_KEYS:
                raise Malformed("its keys are too long")
            table[key] = value
            last = key
    return table


def _handle(data: bytes, at: int) -> tuple[Handle, int]:
    numbers = []
    for _ in range(2):
        number, end = varint(data, at)
        # The last bytes of the file have no checksum: of one number there must be one spelling.
        if end > at + 1 and not data[end - 1]:
            raise Malformed("the place of a block is damaged")
        numbers.append(number)
        at = end
    return (numbers[0], numbers[1]), at


def _block(data: bytes, handle: Handle) -> bytes:
    """The content of a block, checked."""
    offset, size = handle
    end = offset + size
    if end + _TRAILER > len(data) - FOOTER:
        raise Malformed("a block is said to be where the file has ended")
    stored = int.from_bytes(data[end + 1 : end + _TRAILER], "little")
    if masked(crc32c(data[offset : end + 1])) != stored:
        raise Malformed(f"the block at byte {offset} does not have its checksum")
    if data[end]:
        kind = _COMPRESSIONS.get(data[end], f"kind {data[end]}")
        raise Malformed(f"the block at byte {offset} is compressed ({kind}), which is not read")
    return data[offset:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key leaves out what it has in common with the one before."""
    if len(block) < 4:
        raise Malformed("a block is too short")
    n_restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * n_restarts
    if end < 0:
        raise Malformed("a block is too short for its list of restarts")
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or at + own + size > end:
            raise Malformed("an entry leads out of its block")
        if shared + own > _LONGEST_KEY:
            raise Malformed("a key is too long")
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + size]
        at += size
