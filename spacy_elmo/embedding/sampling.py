"""Which occurrences of a word are looked at: so many of each, evenly at random, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def most_frequent(counts: Mapping[str, int], n_words: int, min_count: int) -> list[str]:
    """The most frequent words, those of one frequency in the order of their letters.

    Words with white space in them, which no list of words can hold, are left out.

    >>> most_frequent({"b": 2, "a": 2, "c": 1, "d e": 9}, 2, 1)
    ['a', 'b']
    """
    words = [word for word, n in counts.items() if n >= min_count and word.split() == [word]]
    return sorted(words, key=lambda word: (-counts[word], word))[:n_words]


class Sampler:
    """Chooses occurrences as they come by, every set of them as likely as any other.

    Knuth, The Art of Computer Programming, volume 2, section 3.4.2, algorithm S.

    Args:
        counts: How often each word will come by.
        contexts: How many occurrences of each to choose at most.
        seed: Of the choice.
    """

    def __init__(self, counts: Mapping[str, int], contexts: int, seed: int) -> None:
        self._left = dict(counts)
        self._wanted = {word: min(contexts, n) for word, n in counts.items()}
        self._random = np.random.default_rng(seed)

    @property
    def total(self) -> int:
        """Occurrences that are still to be chosen."""
        return sum(self._wanted.values())

    def choose(self, words: Sequence[str]) -> list[int]:
        """The places in a sentence that are chosen."""
        chosen = []
        for place, word in enumerate(words):
            left = self._left.get(word, 0)
            if not left:
                continue
            wanted = self._wanted[word]
            if wanted and (wanted == left or self._random.random() * left < wanted):
                chosen.append(place)
                self._wanted[word] = wanted - 1
            self._left[word] = left - 1
        return chosen
