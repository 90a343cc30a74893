"""Occurrences of words."""

from __future__ import annotations

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_elmo.pipeline.senses.words import forms, occurrences

LETTERS = st.sampled_from("abc")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(LETTERS, max_size=12), st.sets(st.lists(LETTERS, min_size=1, max_size=3).map(tuple))
)
def test_occurrences(texts: list[str], words: set[tuple[str, ...]]) -> None:
    found = occurrences(texts, words)
    taken = [k for place in found for k in range(place.start, place.end)]
    assert taken == sorted(set(taken))  # in order, none twice
    for place in found:
        assert tuple(texts[place.start : place.end]) == place.word
        assert place.word in words
        longer = [tuple(texts[place.start : end]) for end in range(place.end + 1, len(texts) + 1)]
        assert not words & set(longer)
    for start in set(range(len(texts))) - set(taken):
        assert not any(tuple(texts[start:end]) in words for end in range(start + 1, len(texts) + 1))


def test_forms() -> None:
    vocab = spacy.blank("en").vocab
    doc = Doc(vocab, words=["Banks", "lend"], lemmas=["bank", ""])
    assert forms(doc, "LOWER") == ["banks", "lend"]
    assert forms(doc, "LEMMA") == ["bank", "lend"]
    assert forms(doc[:1], "TEXT") == ["Banks"]
    assert forms(Doc(vocab), "LEMMA") == []
    with pytest.raises(ValueError, match=r"no lemmas.*put a lemmatizer"):
        forms(Doc(vocab, words=["Banks"]), "LEMMA")
