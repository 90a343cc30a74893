"""CRC-32C: published values, a byte after the other, and the package of that name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spacy_elmo.formats.tensorflow import crc32c as module
from tests.formats.tensorflow.checkpoint import crc32c as byte_by_byte


# RFC 3720, B.4
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_values(data: bytes, expected: int) -> None:
    assert module.by_numpy(data) == expected
    assert module.crc32c(data) == expected


@settings(max_examples=30, deadline=None, derandomize=True)
@given(size=st.integers(0, 3000), cut=st.integers(0, 3000), seed=st.integers(0, 2**32 - 1))
@example(size=256, cut=0, seed=0)
@example(size=257, cut=256, seed=0)
@example(size=255, cut=255, seed=1)
@example(size=1024, cut=1, seed=2)
def test_numpy_byte_by_byte(size: int, cut: int, seed: int) -> None:
    data = np.random.default_rng(seed).bytes(size)
    expected = byte_by_byte(data)
    assert module.by_numpy(data) == expected
    assert module.by_numpy(data[cut:], module.by_numpy(data[:cut])) == expected
    assert module.by_numpy(memoryview(data)) == expected


def test_more_than_is_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LANES", 4)
    data = np.random.default_rng(0).bytes(10_000)
    assert module.by_numpy(data) == byte_by_byte(data)


def test_the_package_and_numpy_agree() -> None:
    package = pytest.importorskip("crc32c")
    data = np.random.default_rng(1).bytes((1 << 22) + 12_345)
    assert module.by_numpy(data) == package.crc32c(data) == module.crc32c(data)
    assert module.compiled is not None
