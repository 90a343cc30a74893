"""The orders in which rows read a corpus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from spacy_elmo.pretraining.batches.running import TextPositions
from spacy_elmo.pretraining.batches.windows import make_windows
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.vocabulary import BOS, EOS
from tests.pretraining.small import config, make_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("text"), number=30)


def _symbols(corpus: Corpus, *, backward: bool) -> list[int]:
    """The text of all sentences with their boundaries, as a row of that direction reads it."""
    symbols = []
    for number in range(len(corpus)):
        words = corpus.sentence(number).tolist()
        symbols += [EOS, *reversed(words)] if backward else [BOS, *words]
    return symbols


def test_running_text_goes_round(corpus: Corpus) -> None:
    """Every row reads the text in order from its own place, in both directions."""
    windows = make_windows(corpus, config(order="text", batch_size=3, unroll_steps=4))
    length = TextPositions(corpus).n_positions
    steps = [windows.next() for _ in range(2 * length // 4)]  # two rounds
    for direction in range(2):
        inputs = np.concatenate([step.inputs[direction] for step in steps])
        targets = np.concatenate([step.targets[direction] for step in steps])
        symbols = _symbols(corpus, backward=bool(direction))
        for row in range(3):
            first = row * length // 3
            expected = [symbols[(first + k) % length] for k in range(len(inputs))]
            assert inputs[:, row].tolist() == expected
        # What is predicted is read next, or is the end of the sentence.
        last = (EOS, BOS)[direction]
        first_symbol = (BOS, EOS)[direction]
        for now, target, then in zip(inputs[:-1], targets[:-1], inputs[1:], strict=True):
            ends = then == first_symbol
            assert (target[ends] == last).all()
            assert (target[~ends] == corpus.word_of_type[then[~ends]]).all()
            assert now.shape == (3,)


def test_sentences_are_all_read_once_an_epoch(corpus: Corpus) -> None:
    made = config(order="sentences", batch_size=4, unroll_steps=5, max_sentence_length=6)
    windows = make_windows(corpus, made)
    for _ in range(2):  # epochs
        seen: Counter[tuple[int, ...]] = Counter()
        n_positions = 0
        while n_positions < TextPositions(corpus).n_positions:
            window = windows.next()
            n_positions += window.n_positions
            inside = window.targets >= 0
            assert inside[0].sum() == inside[1].sum()
            assert len(window.inputs[0]) <= 6
            for row in range(window.inputs.shape[2]):
                read = window.targets[0][:, row][inside[0][:, row]]
                seen[tuple(read.tolist())] += 1
        assert n_positions == TextPositions(corpus).n_positions
        expected: Counter[tuple[int, ...]] = Counter()
        for number in range(len(corpus)):
            words = [*corpus.word_of_type[corpus.sentence(number)].tolist(), EOS]
            expected.update(tuple(words[k : k + 6]) for k in range(0, len(words), 6))
        assert seen == expected


@pytest.mark.parametrize("order", ["text", "shuffled", "sentences"])
def test_it_goes_on_where_it_stood(order: str, corpus: Corpus) -> None:
    made = config(order=order, batch_size=4, unroll_steps=7)
    windows = make_windows(corpus, made)
    for _ in range(25):
        windows.next()
    state = windows.state()
    expected = [windows.next() for _ in range(25)]
    again = make_windows(corpus, made)
    again.restore(state)
    for window in expected:
        other = again.next()
        assert np.array_equal(other.inputs, window.inputs)
        assert np.array_equal(other.targets, window.targets)


def test_another_vocabulary_numbers_the_targets(corpus: Corpus, tmp_path: Path) -> None:
    vocabulary = [*corpus.vocabulary[:3], "bank", "the"]
    window = make_windows(Corpus(corpus.path, vocabulary), config()).next()
    assert window.targets.max() <= 4
    assert window.inputs.max() > 4
