"""Substitutes and next words: by their definition, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bilm.oracle_cases import Array
from tests.bilm.scoring.models import SENTENCES, WORDS, every_word, scored_model, with_softmax
from tests.reference.output_layer import log_softmax, log_uniform_probability
from tests.tiny import tiny_lm


def by_definition(logs: list[Array], place: int, direction: str) -> Array:
    """Log probability of each word of the vocabulary in a place."""
    forward, backward = logs[0][place], logs[-1][place + 1]
    if direction == "both":
        prior = np.log(log_uniform_probability(np.arange(len(forward)), len(forward)))
        return log_softmax(forward + backward - prior)
    return forward if direction == "forward" else backward


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
def test_substitutes_by_definition(direction: str) -> None:
    elmo, lm = scored_model("plain")
    bulk = lm.all_substitutes(SENTENCES, 4, direction)
    for words, together in zip(SENTENCES, bulk, strict=True):
        logs = every_word(elmo, lm, words, elmo.zero_state())
        assert len(together) == len(words)
        for place in range(len(words)):
            wanted = by_definition(logs, place, direction)
            best = sorted(range(3, len(WORDS)), key=lambda k: -wanted[k])[:4]
            found = lm.substitutes(words, place, 4, direction)
            assert [word for word, _ in found] == [WORDS[k] for k in best]
            np.testing.assert_allclose([log for _, log in found], wanted[best], atol=1e-5)
            assert [word for word, _ in together[place]] == [WORDS[k] for k in best]


def test_probabilities_are_shares_of_the_vocabulary() -> None:
    """With and without the word itself, more asked for than there are: never special symbols."""
    _, lm = scored_model("plain")
    words = SENTENCES[0]
    every = lm.substitutes(words, 1, 1000)
    assert {word for word, _ in every} == set(WORDS[3:])
    assert 0 < sum(np.exp(log) for _, log in every) < 1
    others = lm.substitutes(words, 1, 1000, itself=False)
    assert others == [pair for pair in every if pair[0] != "bank"]
    logs = [log for _, log in every]
    assert logs == sorted(logs, reverse=True)


def test_an_unknown_word_itself_is_no_word_of_the_vocabulary() -> None:
    _, lm = scored_model("plain")
    words = SENTENCES[0]
    assert "its" not in WORDS
    assert lm.substitutes(words, 3, itself=False) == lm.substitutes(words, 3)


def test_what_stands_there_is_not_read() -> None:
    _, lm = scored_model("plain")
    one = lm.substitutes(["the", "bank", "raised"], 1)
    other = lm.substitutes(["the", "river", "raised"], 1)
    assert [word for word, _ in one] == [word for word, _ in other]
    np.testing.assert_allclose([x for _, x in one], [x for _, x in other], atol=1e-6)


def test_next_words_are_the_best_of_the_distribution() -> None:
    _, lm = scored_model("plain")
    words = ["the", "bank"]
    found = lm.distributions(words)
    assert found.backward is not None
    for direction, logs, never in (
        ("forward", found.forward[-1], ("<S>", "<UNK>")),
        ("backward", found.backward[0], ("</S>", "<UNK>")),
    ):
        best = [k for k in np.argsort(-logs).tolist() if WORDS[k] not in never][:6]
        ranked = lm.next_words(words, 6, direction)
        assert [word for word, _ in ranked] == [WORDS[k] for k in best]
        np.testing.assert_allclose([log for _, log in ranked], logs[best], atol=1e-5)
    assert len(lm.next_words([], 2)) == 2, "what a sentence begins with"


def test_a_forward_only_model() -> None:
    _, lm = scored_model("forward_only")
    found = lm.substitutes(["the", "bank"], 1, 3, "forward")
    wanted = [pair for pair in lm.next_words(["the"], 9) if pair[0] != "</S>"][:3]
    assert [word for word, _ in found] == [word for word, _ in wanted]
    np.testing.assert_allclose([x for _, x in found], [x for _, x in wanted], atol=1e-6)
    with pytest.raises(ValueError, match="reads forwards only: direction is 'both'"):
        lm.substitutes(["the", "bank"], 1)
    with pytest.raises(ValueError, match="reads forwards only"):
        lm.next_words(["the"], direction="backward")


def test_bad_input() -> None:
    lm = with_softmax(tiny_lm(), WORDS)
    with pytest.raises(ValueError, match=r"position is 2, but the sentence has 2 words: .* 0 to 1"):
        lm.substitutes(["the", "bank"], 2)
    with pytest.raises(ValueError, match="position is -1"):
        lm.substitutes(["the", "bank"], -1)
    with pytest.raises(ValueError, match="position is 0, but the sentence has no words"):
        lm.substitutes([], 0)
    with pytest.raises(ValueError, match="n is 0"):
        lm.substitutes(["the"], 0, 0)
    with pytest.raises(ValueError, match="direction is 'up'"):
        lm.substitutes(["the"], 0, direction="up")
    with pytest.raises(ValueError, match="direction is 'both'"):
        lm.next_words(["the"], direction="both")
    with pytest.raises(ValueError, match="is the string"):
        lm.substitutes("the bank", 0)


def test_numbers_of_words() -> None:
    _, lm = scored_model("plain")
    words = SENTENCES[0]
    assert lm.substitutes(words, 1, np.int64(2)) == lm.substitutes(words, 1, 2)
    for wrong in (True, 2.0, 0, "2"):
        with pytest.raises(ValueError, match="expected a number of words, 1 or more"):
            lm.substitutes(words, 1, wrong)  # type: ignore[arg-type]
