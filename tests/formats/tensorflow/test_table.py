"""Indexes: any shape of table is read, and no byte of one can be another unnoticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.formats.tensorflow.protobuf import Malformed, fields, signed, varint
from spacy_elmo.formats.tensorflow.table import read_table
from tests.formats.tensorflow import checkpoint

tables = st.dictionaries(st.binary(max_size=20), st.binary(max_size=40), max_size=30)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(values=tables, block_size=st.integers(1, 200), restart_interval=st.integers(1, 20))
def test_what_was_written(
    values: dict[bytes, bytes], block_size: int, restart_interval: int
) -> None:
    data = checkpoint.table(values, block_size=block_size, restart_interval=restart_interval)
    assert read_table(data) == values


def long_table() -> bytes:
    values = {f"lm/RNN_0/cell_{k}/kernel".encode(): bytes([k]) * k for k in range(12)}
    return checkpoint.table(values, block_size=60, restart_interval=3)


def test_no_bit_can_be_another() -> None:
    data = long_table()
    read_table(data)
    for place in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            with pytest.raises(Malformed):
                read_table(bytes(damaged))


def test_no_end_can_be_missing_or_more() -> None:
    data = long_table()
    for end in range(len(data)):
        with pytest.raises(Malformed):
            read_table(data[:end])
    for more in (data + b"\0", b"\0" + data, data + data):
        with pytest.raises(Malformed):
            read_table(more)


@pytest.mark.parametrize(("kind", "name"), [(1, "snappy"), (2, "zlib"), (9, "kind 9")])
def test_compressed_blocks_are_refused_by_name(kind: int, name: str) -> None:
    with pytest.raises(Malformed, match=rf"is compressed \({name}\)"):
        read_table(checkpoint.table({b"a": b"b"}, compression=kind))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(content=st.binary(max_size=60))
def test_blocks_with_right_checksums_and_anything_inside(content: bytes) -> None:
    """An index can be made to have any checksums: it may be refused, and nothing else."""
    kind = b"\0"
    block = content + kind + checkpoint.masked(content + kind).to_bytes(4, "little")
    place = checkpoint.varint(0) + checkpoint.varint(len(content))
    directory = checkpoint.block([(b"a", place)], 1)
    rest = checkpoint.table({})
    about, end = rest[: len(checkpoint.block([], 1)) + 5], rest[-8:]
    data = block + about
    places = checkpoint.varint(len(block)) + checkpoint.varint(len(about) - 5)
    places += checkpoint.varint(len(data)) + checkpoint.varint(len(directory))
    data += directory + kind + checkpoint.masked(directory + kind).to_bytes(4, "little")
    try:
        read_table(data + places.ljust(40, b"\0") + end)
    except Malformed:
        return


@settings(max_examples=100, deadline=None, derandomize=True)
@given(message=st.binary(max_size=40))
def test_any_bytes_as_a_message(message: bytes) -> None:
    try:
        list(fields(message))
    except Malformed:
        return


@given(value=st.integers(-(2**63), 2**63 - 1))
def test_numbers(value: int) -> None:
    data = checkpoint.varint(value)
    found, end = varint(data, 0)
    assert signed(found) == value
    assert end == len(data)
