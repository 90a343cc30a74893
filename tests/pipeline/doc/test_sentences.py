"""Any text gives finite vectors of the right shape, and changes no neighbour's."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_elmo.pipeline.doc import fed
from spacy_elmo.pipeline.doc.sentences import docs_sentences
from tests.tiny import WIDTH, tiny_lm

# All of Unicode that UTF-8 can hold: spaCy itself refuses lone surrogates.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
SPACES = st.text(st.sampled_from(" \t\n\r\u00a0\u2003\u3000"), max_size=6)
LONG_WORDS = st.integers(1, 10_000).map(lambda n: "é" * n)
TEXTS = ANY_TEXT | SPACES | LONG_WORDS | st.just("<S> </S> <UNK>")


@cache
def pipeline(n_layers: int = 2) -> Language:
    nlp = spacy.blank("en")
    with TemporaryDirectory() as folder:
        tiny_lm(n_layers=n_layers).save(Path(folder) / "w")
        nlp.add_pipe("elmo", config={"model": {"weights": f"{folder}/w"}})
        nlp("load the weights")
    return nlp


def check(doc: Doc) -> None:
    vectors = doc._.elmo_vectors
    assert vectors.shape == (len(doc), WIDTH)
    assert np.isfinite(vectors).all()
    for token in doc:
        assert token._.elmo.any() != token.is_space


def close(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    norms = np.linalg.norm(expected, axis=-1, keepdims=True)
    return bool((np.abs(found - expected) <= 1e-5 * norms).all())


@given(TEXTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text(text: str) -> None:
    doc = pipeline()(text)
    assert doc.text == text
    check(doc)


@given(st.lists(TEXTS, max_size=6), st.integers(1, 7))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_neighbour_is_changed(texts: list[str], batch_size: int) -> None:
    nlp = pipeline()
    neighbour = nlp("The bank raised its rates .")._.elmo_vectors
    mixed = [part for text in texts for part in (text, "The bank raised its rates .")]
    for doc in nlp.pipe(mixed, batch_size=batch_size):
        check(doc)
        if doc.text == "The bank raised its rates .":
            assert close(doc._.elmo_vectors, neighbour)


WORDS = st.sampled_from(["the", "bank", " ", "\n", "x" * 70])
DOCS = st.lists(st.lists(st.tuples(WORDS, st.sampled_from([True, False, None])), max_size=9))


@given(DOCS, st.sampled_from(["TEXT", "LOWER", "NORM"]))
@settings(max_examples=100, deadline=None)
def test_sentences_of_many_docs(
    given_docs: list[list[tuple[str, bool | None]]], token_attr: str
) -> None:
    vocab = Vocab()
    docs = [
        Doc(vocab, words=[word for word, _ in doc], sent_starts=[start for _, start in doc])
        for doc in given_docs
    ]
    read = docs_sentences(docs, None, token_attr)
    for doc, found in zip(docs, read, strict=True):
        words: list[list[str]] = []
        numbers: list[int] = []
        opens = True
        for token in doc:
            opens = opens or token.is_sent_start is True
            if token.is_space:
                numbers.append(-1)
                continue
            if opens:
                words.append([])
            opens = False
            words[-1].append({"TEXT": token.text}.get(token_attr, token.lower_))
            numbers.append(len(words) - 1)
        assert found.words == words
        assert found.numbers.tolist() == numbers
        assert found.rows.tolist() == [token.i for token in doc if not token.is_space]
    again = docs_sentences(docs, [each.numbers for each in read], token_attr)
    assert [each.words for each in again] == [each.words for each in read]


def test_sentences_end_wherever_the_number_changes() -> None:
    doc = Doc(Vocab(), words=["a", "b", " ", "c", "d"])
    [read] = docs_sentences([doc], [np.array([0, 1, -1, 1, 0])])
    assert read.words == [["a"], ["b", "c"], ["d"]]


def test_strings_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fed, "_MOST_STRINGS", 10)
    monkeypatch.setattr(fed, "_strings", {})
    vocab = Vocab()
    for start, end in ((0, 8), (4, 12), (0, 30), (2, 9)):
        words = [f"word-{k}" for k in range(start, end)] + ["x" * 70]
        assert fed.fed_words(Doc(vocab, words=words), "TEXT") == words
        assert len(fed._strings) <= 10
        assert "x" * 70 not in fed._strings.values()


def test_lone_surrogates_are_a_clear_error_of_spacy() -> None:
    nlp = pipeline()
    with pytest.raises(UnicodeEncodeError):
        nlp("a \ud800 b")
    check(nlp("a b"))


def test_a_doc_of_50_000_tokens() -> None:
    nlp = pipeline(n_layers=1)
    words = [f"w{k % 997}" for k in range(50_000)]
    whole = nlp(Doc(nlp.vocab, words=words))
    check(whole)
    starts = [k % 40 == 0 for k in range(50_000)]
    split = nlp(Doc(nlp.vocab, words=words, sent_starts=starts))
    check(split)
    first = nlp(Doc(nlp.vocab, words=words[:40]))
    assert close(split._.elmo_vectors[:40], first._.elmo_vectors)
