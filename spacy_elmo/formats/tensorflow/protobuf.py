"""As much of the wire format of protocol buffers as an index needs."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class Malformed(ValueError):
    """Bytes that are not what they should be."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits per byte, and where it ends.

    Raises:
        Malformed: If the bytes end within it, or it is longer than any.

    >>> varint(bytes([0xAC, 0x02]), 0)
    (300, 2)
    """
    value = 0
    for k, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * k)
        if byte < 0x80:
            return value & (2**64 - 1), at + k + 1
    raise Malformed("a number is cut off, or too long")


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message: a whole number, or bytes.

    Raises:
        Malformed: If it is no message.

    >>> list(fields(bytes([0x08, 0x01, 0x12, 0x01, 0x41])))
    [(1, 1), (2, b'A')]
    """
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = varint(message, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = varint(message, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise Malformed(f"a field of the unknown kind {kind}")
        part = message[at : at + size]
        if len(part) != size:
            raise Malformed("a field is cut off")
        at += size
        yield number, part if kind == BYTES else int.from_bytes(part, "little")


def signed(value: int) -> int:
    """A number that was written as int64.

    >>> signed(2**64 - 1)
    -1
    """
    return value - 2**64 if value >= 2**63 else value
