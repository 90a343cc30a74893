"""The table of word types: bounded, and keyed by what the network reads."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from spacy_elmo import BiLM
from spacy_elmo.bilm.inference import cache as caches
from spacy_elmo.bilm.inference.cache import TokenCache
from tests.tiny import tiny_lm


def cache_of(lm: BiLM) -> TokenCache:
    assert lm.encoder._engine is not None
    return lm.encoder._engine[1].cache


def test_long_words_are_kept_as_far_as_they_are_read() -> None:
    lm = tiny_lm()
    lm.encode([["warm"]])
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for k in range(20):
            lm.encode([[f"{k:02}" + "x" * 1_000_000]])
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 500_000
    assert max(map(len, cache_of(lm)._rows)) <= 48


def test_another_vocabulary_is_noticed() -> None:
    lm = tiny_lm(char_cnn=None, n_words=4)
    lm.set_vocabulary(["<S>", "</S>", "<UNK>", "the"])
    unknown = lm.encode([["dog"]])[0]
    lm.set_vocabulary(["<S>", "</S>", "<UNK>", "dog"])
    found = lm.encode([["dog"]])[0]
    assert not np.allclose(found, unknown)
    np.testing.assert_allclose(found, lm([["dog"]]).detach().numpy(), atol=1e-5)


def test_words_as_they_are_written_are_bounded_too() -> None:
    """Few types may be written in many ways, all of which are the same to the network."""
    lm = tiny_lm(char_cnn=None, n_words=4)
    lm.set_vocabulary(["<S>", "</S>", "<UNK>", "the"])
    lm.encoder.cache_size = 20
    for start in range(0, 100, 7):
        words = [f"unknown-{k}" for k in range(start, start + 7)]
        found, again = lm.encode([["the", *words]])[0], lm.encode([["the", *words]])[0]
        np.testing.assert_array_equal(found, again)
        np.testing.assert_array_equal(found[0, 1:], np.repeat(found[0, 1:2], 7, axis=0))
        assert 0 < len(cache_of(lm)._rows_of_words) <= 20


def test_words_that_are_read_the_same_are_one_type() -> None:
    lm = tiny_lm()
    long = "x" * 60
    found = lm.encode([[long + "a", long + "b", "a"]])[0]
    np.testing.assert_array_equal(found[0, 0], found[0, 1])
    assert len(cache_of(lm)._rows) == 4  # with the marks
    expected = lm([[long + "a", long + "b", "a"]]).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_word_that_is_cut_to_a_mark_is_no_mark() -> None:
    cnn = {"embedding_dim": 4, "filters": ((1, 8),), "n_highway": 0, "max_characters_per_token": 5}
    lm = tiny_lm(char_cnn=type(tiny_lm().config.char_cnn)(**cnn))
    words = ["<S>", "<S>x", "</S>", "</Sxyz"]
    expected = lm([words]).detach().numpy()
    np.testing.assert_allclose(lm.encode([words])[0], expected, atol=1e-5)
    assert not np.allclose(expected[0, 0], expected[0, 1])


def test_unknown_words_are_one_type() -> None:
    lm = tiny_lm(char_cnn=None, n_words=4)
    lm.set_vocabulary(["<S>", "</S>", "<UNK>", "the"])
    found = lm.encode([["the", "one", "two", "y" * 1_000_000]])[0]
    np.testing.assert_array_equal(found[0, 1], found[0, 2])
    assert set(cache_of(lm)._rows) == {"<S>", "</S>", "<UNK>", "the"}


def test_a_bound_of_bytes_where_words_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "KEY_BYTES", 4)
    lm, free = tiny_lm(), tiny_lm()
    lm.cache_size = 10
    for k in range(5):
        sentence = [[f"{k}{j}" + "x" * 9 for j in range(3)]]
        found = lm.encode(sentence)[0]
        monkeypatch.undo()
        np.testing.assert_allclose(found, free.encode(sentence)[0], atol=1e-5)
        monkeypatch.setattr(caches, "KEY_BYTES", 4)
        assert sum(map(len, cache_of(lm)._rows)) <= 40
        assert cache_of(lm)._key_bytes == sum(map(len, cache_of(lm)._rows))
