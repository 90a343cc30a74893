"""What has been learned: the examples of each word, and what they are compared by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from spacy_elmo.pipeline.senses.classifiers import CLASSIFIERS, Scorer, choose, viewed
from spacy_elmo.pipeline.senses.words import Word
from spacy_elmo.types import Floats, Ints


class Example(NamedTuple):
    """A labelled occurrence.

    Attributes:
        word: The word.
        sense: Its sense here.
        states: As `occurrence_states` gives them. *Shape:* (2, width).
    """

    word: Word
    sense: str
    states: Floats


@dataclass(frozen=True)
class WordSenses:
    """The examples of one word. They are never changed: more of them are a new object.

    Attributes:
        names: The senses, sorted.
        numbers: That of the sense of each example. *Shape:* (n,).
        states: Of each example. *Shape:* (n, 2, width).
    """

    names: tuple[str, ...]
    numbers: Ints
    states: Floats
    _fitted: dict[tuple[str, str], Scorer] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, senses: Iterable[str], states: Floats) -> WordSenses:
        """Sort examples by their senses' names."""
        senses = list(senses)
        names = sorted(set(senses))
        numbers = np.array([names.index(sense) for sense in senses], dtype=np.int64)
        return cls(tuple(names), numbers, np.ascontiguousarray(states, dtype=np.float32))

    @property
    def senses(self) -> list[str]:
        """The sense of each example."""
        return [self.names[number] for number in self.numbers]

    @cached_property
    def counts(self) -> Ints:
        """Number of examples of each sense. *Shape:* (n_senses,)."""
        return np.bincount(self.numbers, minlength=len(self.names)).astype(np.int64)

    def label(
        self, states: Floats, mean: Floats, classifier: str, view: str
    ) -> list[tuple[str, float]]:
        """The senses of new occurrences, and the scores of these.

        A word of one sense has that one, with a score of 1. The classifier is fitted when it is
        asked for the first time.

        Args:
            states: *Shape:* (n, 2, width).
            mean: What is taken off the states. *Shape:* (width,).
            classifier: One of `CLASSIFIERS`.
            view: One of `VIEWS`.
        """
        if len(self.names) == 1:
            return [(self.names[0], 1.0)] * len(states)
        score = self._fitted.get((classifier, view))
        if score is None:
            known = viewed(self.states, mean, view)
            score = CLASSIFIERS[classifier](known, self.numbers, len(self.names))
            self._fitted[classifier, view] = score
        scores = score(viewed(states, mean, view))
        chosen = choose(scores, self.counts)
        return [
            (self.names[number], float(row[number]))
            for number, row in zip(chosen.tolist(), scores, strict=True)
        ]

    def __reduce__(self) -> tuple[type[WordSenses], tuple[tuple[str, ...], Ints, Floats]]:
        return WordSenses, (self.names, self.numbers, self.states)  # fitted anew where it goes


@dataclass(frozen=True)
class Learned:
    """All words with senses. Never changed: learning more gives a new object.

    Attributes:
        attr: What stands for a token in the words.
        mean: What is taken off all states. *Shape:* (width,).
        edges: Of the language model that the states are of, as `top_edges` gives them.
            *Shape:* (width,).
        words: The words.
    """

    attr: str
    mean: Floats
    edges: Floats
    words: Mapping[Word, WordSenses] = field(default_factory=dict)

    @property
    def senses(self) -> tuple[str, ...]:
        """The names of all senses, sorted."""
        return tuple(sorted({name for word in self.words.values() for name in word.names}))

    def with_examples(self, examples: Iterable[Example]) -> Learned:
        """The same with more examples; those of other words stay as they are."""
        by_word: dict[Word, list[Example]] = {}
        for example in examples:
            by_word.setdefault(example.word, []).append(example)
        words = dict(self.words)
        for word, found in by_word.items():
            senses = [example.sense for example in found]
            states = np.stack([example.states for example in found])
            if word in words:
                senses = words[word].senses + senses
                states = np.concatenate([words[word].states, states])
            words[word] = WordSenses.of(senses, states)
        return replace(self, words=words)
