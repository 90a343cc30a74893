"""Indexes: any shape of table is read, and no byte of one can be another unnoticed."""

from __future__ import annotations

import struct

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
    try:
        read_table(of_blocks(content))
    except Malformed:
        return


def of_blocks(content: bytes, about: bytes | None = None) -> bytes:
    """A table of one block of keys and values, and the one about it, checksums and all."""
    blocks = [content, checkpoint.block([], 1) if about is None else about]
    blocks.append(checkpoint.block([(b"\xff", places([content]))], 1))
    ends = [each + b"\0" + checkpoint.masked(each + b"\0").to_bytes(4, "little") for each in blocks]
    footer = places(blocks).removeprefix(places([content])).ljust(40, b"\0")
    return b"".join(ends) + footer + checkpoint.table({})[-8:]


def places(blocks: list[bytes]) -> bytes:
    starts = [sum(len(before) + 5 for before in blocks[:k]) for k in range(len(blocks))]
    numbers = zip(starts, map(len, blocks), strict=True)
    return b"".join(checkpoint.varint(at) + checkpoint.varint(size) for at, size in numbers)


def keys_that_share(length: int, n_keys: int) -> bytes:
    """A block of many keys, each written as its last three bytes, their values empty."""
    first = (
        checkpoint.varint(0) + checkpoint.varint(length) + b"\0" + b"k" * (length - 3) + b"\0" * 3
    )
    head = checkpoint.varint(length - 3) + checkpoint.varint(3) + b"\0"
    rest = b"".join(head + k.to_bytes(3, "big") for k in range(1, n_keys))
    return first + rest + struct.pack("<2I", 0, 1)


def test_long_keys() -> None:
    table = read_table(of_blocks(keys_that_share(4096, 3)))
    assert table == {b"k" * 4093 + bytes([0, 0, k]): b"" for k in range(3)}
    with pytest.raises(Malformed, match="a key is too long"):
        read_table(of_blocks(keys_that_share(4097, 3)))


def test_a_small_file_of_keys_that_would_fill_the_memory() -> None:
    data = of_blocks(keys_that_share(4096, 2**14 + 1))
    assert len(data) < 150_000
    with pytest.raises(Malformed, match="its keys are too long"):
        read_table(data)


def test_the_block_about_the_others_is_checked() -> None:
    content = checkpoint.block([(b"a", b"b")], 1)
    about = checkpoint.block([(b"some filter", b"")], 1)
    assert read_table(of_blocks(content, about)) == {b"a": b"b"}
    with pytest.raises(Malformed, match="an entry leads out of its block"):
        read_table(of_blocks(content, b"\x7f" + about))


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
