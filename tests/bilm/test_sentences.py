"""What may be given as sentences: iterables of words, Docs and their tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import spacy

from spacy_elmo import BiLM
from tests.tiny import tiny_lm

SENTENCES = [["They", "sat", "down"], ["Rates", "rose"]]
FLAT = r"for a single sentence give \[words\], for a Doc \[doc\] or doc.sents"


@pytest.fixture(scope="module")
def lm() -> BiLM:
    return tiny_lm()


@pytest.fixture(scope="module")
def doc() -> Any:
    nlp = spacy.blank("en")
    words = [word for sentence in SENTENCES for word in sentence]
    starts = [number == 0 for sentence in SENTENCES for number, _ in enumerate(sentence)]
    return spacy.tokens.Doc(nlp.vocab, words=words, sent_starts=starts)


def words_of_each() -> Iterator[Iterator[str]]:
    return (iter(words) for words in SENTENCES)


@pytest.mark.parametrize("state", ["zero", "carry"])
def test_all_that_means_the_same(lm: BiLM, doc: Any, state: str) -> None:
    makers: list[Callable[[], Any]] = [
        lambda: doc.sents,
        lambda: list(doc.sents),
        lambda: [list(sentence) for sentence in doc.sents],
        lambda: ([*sentence] for sentence in SENTENCES),
        words_of_each,
        lambda: [np.array(words) for words in SENTENCES],
        lambda: map(tuple, SENTENCES),
        lambda: {1: SENTENCES[0], 2: SENTENCES[1]}.values(),
    ]
    lm.initial_state = state
    expected = lm.encode(SENTENCES)
    expected_rows = np.concatenate(expected, axis=1)
    for make in makers:
        lm.reset_state()
        for found, layers in zip(lm.encode(make()), expected, strict=True):
            np.testing.assert_array_equal(found, layers)
        lm.reset_state()
        np.testing.assert_allclose(lm(make()).detach().numpy(), expected_rows, atol=1e-5)
        if state == "zero":
            streamed = list(lm.stream(make()))
            assert [layers.shape for layers in streamed] == [layers.shape for layers in expected]
    lm.initial_state = "zero"


def test_a_whole_doc_is_one_sentence(lm: BiLM, doc: Any) -> None:
    [found] = lm.encode([doc])
    np.testing.assert_array_equal(found, lm.encode([[token.text for token in doc]])[0])
    [span] = lm.encode([doc[1:3]])
    np.testing.assert_array_equal(span, lm.encode([["sat", "down"]])[0])


def test_what_is_read_for_its_means(lm: BiLM, doc: Any) -> None:
    other = tiny_lm()
    other.warm_up(doc.sents)
    lm.warm_up(SENTENCES)
    assert lm.initial_h is not None
    assert other.initial_h is not None
    assert (lm.initial_h == other.initial_h).all()
    lm.initial_state = "zero"


def test_one_level_too_few_or_too_many(lm: BiLM, doc: Any) -> None:
    cases: list[tuple[Any, str]] = [
        (doc, f"sentence 0 is the token They: expected a list of words; {FLAT}"),
        (list(doc), f"sentence 0 is the token They: expected a list of words; {FLAT}"),
        (["They", "sat"], f"sentence 0 is the string 'They': expected a list of words; {FLAT}"),
        ([SENTENCES], r"sentence 0 holds \['They', 'sat', 'down'\]: expected words"),
        ([list(doc.sents)], r"sentence 0 holds They sat down: expected words \(strings\) or spaCy"),
        ([["a"], 3], "sentence 1 is 3: expected a list of words"),
        ([["a"], None], "sentence 1 is None: expected a list of words"),
        (3, "expected a list of sentences, each a list of words: got 3"),
    ]
    for sentences, message in cases:
        calls: list[Callable[[Any], object]] = [
            lm.encode,
            lm,
            lambda s: list(lm.stream(s)),
            lm.warm_up,
            lm.measure_mean,
        ]
        for call in calls:
            with pytest.raises(ValueError, match=message):
                call(sentences)
