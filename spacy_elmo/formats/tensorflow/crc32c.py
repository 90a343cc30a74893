"""CRC-32C (Castagnoli), the checksum of TensorFlow's files.

The package `crc32c` computes it in compiled code, at several GB per second. Where it is not
installed numpy does, at a few hundred MB per second: the same polynomial, in many lanes side by
side, whose results are joined by what zeros behind a lane make of it, which is linear.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

compiled: Callable[[bytes | memoryview, int], int] | None
try:
    from crc32c import crc32c as _package

    compiled = _package
except ImportError:
    compiled = None

_POLYNOMIAL = 0x82F63B78  # bits reversed
_ALL = 0xFFFFFFFF

# Bytes of a lane, and lanes computed together: their state and both tables fit into a cache.
_LANE = 256
_LANES = 1 << 14

_Words = NDArray[np.uint32]


def crc32c(data: bytes | memoryview, before: int = 0) -> int:
    """CRC-32C of some bytes.

    Args:
        data: The bytes.
        before: That of what comes before them.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    >>> crc32c(b"6789", crc32c(b"12345")) == crc32c(b"123456789")
    True
    """
    return by_numpy(data, before) if compiled is None else compiled(data, before)


def masked(crc: int) -> int:
    """The form that is stored: the checksum of bytes with checksums among them is no good one.

    >>> hex(masked(0xE3069283))
    '0xc78ab0e5'
    """
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & _ALL


def by_numpy(data: bytes | memoryview, before: int = 0) -> int:
    """`crc32c` without the package of that name."""
    state = np.array([before ^ _ALL], dtype=np.uint32)
    size = _LANE * _LANES
    whole = np.frombuffer(data, dtype=np.uint8)
    for start in range(0, len(whole), size):
        part = whole[start : start + size]
        state = _apply(_zeros(len(part)), state) ^ _lanes(part)
    return int(state[0]) ^ _ALL


def _lanes(part: NDArray[np.uint8]) -> _Words:
    """What bytes make of a state of zeros. *Shape:* (1,)."""
    n_lanes = -(-len(part) // _LANE)
    # Zeros before everything leave a state of zeros as it is.
    padded = np.zeros(n_lanes * _LANE, dtype=np.uint8)
    padded[len(padded) - len(part) :] = part
    columns = np.ascontiguousarray(padded.view("<u4").reshape(n_lanes, -1).T).astype(np.uint32)
    states = np.zeros(n_lanes, dtype=np.uint32)
    tables = _tables(4)
    for column in columns:
        states = _look_up(tables, states ^ column)
    size = _LANE
    while len(states) > 1:
        if len(states) % 2:
            states = np.concatenate([np.zeros(1, dtype=np.uint32), states])
        states = _look_up(_tables(size), states[0::2]) ^ states[1::2]
        size *= 2
    return states


@lru_cache(maxsize=64)
def _zeros(n_bytes: int) -> _Words:
    """What so many bytes of zero make of each bit of a state. *Shape:* (32,)."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    if n_bytes == 0:
        return bits
    if n_bytes > 1:
        half = _zeros(n_bytes // 2)
        both = _apply(half, half)
        return _apply(_zeros(1), both) if n_bytes % 2 else both
    for _ in range(8):
        bits = (bits >> np.uint32(1)) ^ (np.uint32(_POLYNOMIAL) * (bits & np.uint32(1)))
    return bits


def _apply(images: _Words, states: _Words) -> _Words:
    """A linear map of states, given by the images of their bits."""
    bits = (states[:, None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)
    mapped: _Words = np.bitwise_xor.reduce(bits * images, axis=1).astype(np.uint32)
    return mapped


@lru_cache(maxsize=64)
def _tables(n_bytes: int) -> tuple[_Words, _Words]:
    """What so many bytes of zero make of a state, by its lower and its upper half."""
    images = _zeros(n_bytes)
    halves = []
    for part in (images[:16], images[16:]):
        table = np.zeros(1, dtype=np.uint32)
        for image in part:
            table = np.concatenate([table, table ^ image])
        halves.append(table)
    return halves[0], halves[1]


def _look_up(tables: tuple[_Words, _Words], states: _Words) -> _Words:
    halves = np.ascontiguousarray(states, dtype="<u4").view("<u2")
    # "clip" is the fast one: no index can be out of bounds.
    found: _Words = tables[0].take(halves[0::2], mode="clip")
    found ^= tables[1].take(halves[1::2], mode="clip")
    return found
