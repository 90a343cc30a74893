"""A biLM as a language model: scores, distributions, next words, substitutes."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from spacy_elmo.bilm.batching import batched
from spacy_elmo.bilm.network import Network
from spacy_elmo.bilm.scoring.output_layer import Logs, OutputLayer, Ranked
from spacy_elmo.bilm.sentences import Words, check_sentences
from spacy_elmo.types import Bools, Floats, Ints

# Words whose states are held at once.
TOKENS = 4096

DIRECTIONS = ("both", "forward", "backward")


@dataclass(frozen=True)
class Score:
    """How probable the words of a sentence are, as natural logarithms.

    Attributes:
        forward: Of each word given those before it, then of `</S>`. *Shape:* (n_words + 1,).
        backward: Of `<S>`, then of each word given those after it, in the order of the text; None
            for a forward-only model. *Shape:* (n_words + 1,).
        unknown: Which words are outside the vocabulary: their score is that of `<UNK>`.
            *Shape:* (n_words,).
        forward_rank: 1 where no word was more probable, and so on; None if not asked for. As
            `forward`.
        backward_rank: As `backward`.
    """

    forward: Logs
    backward: Logs | None
    unknown: Bools
    forward_rank: Ints | None = None
    backward_rank: Ints | None = None


class Distributions(NamedTuple):
    """How probable every word of the vocabulary is at each place, as natural logarithms.

    Attributes:
        forward: For each word, then for what follows the last. *Shape:* (n_words + 1, V).
        backward: For what goes before the first, then for each word; None for a forward-only
            model. *Shape:* (n_words + 1, V).
    """

    forward: Floats
    backward: Floats | None


class LanguageModel(Network):
    """What the softmax says of words in their sentences.

    Every sentence is read on its own, from the initial state of the model ("carry": from what the
    call before left). Needs a softmax with its vocabulary; `<UNK>` stands for all other words.
    """

    _output_layer: OutputLayer | None = None

    def top_states(
        self, sentences: Iterable[Words], *, batch_tokens: int | None = None
    ) -> Iterator[tuple[Floats, Floats]]:
        """States of the top layer of each sentence, and at its edges; see `Encoder.top_states`."""
        raise NotImplementedError("a network alone reads nothing: use a BiLM")

    @property
    def output_layer(self) -> OutputLayer:
        """The softmax and its words, as the methods below use them.

        Raises:
            ValueError: For a model without a softmax or its vocabulary.
        """
        layer = self._output_layer
        if layer is None or not layer.is_of(self):
            layer = self._output_layer = OutputLayer(self)
        return layer

    def score(self, sentences: Iterable[Words], *, rank: bool = False) -> list[Score]:
        """How probable each word is where it stands.

        The scores of all sentences together give the perplexity that `spacy elmo evaluate` reports:
        exp of minus their mean.

        Args:
            sentences: As for `encode`.
            rank: Whether to say, too, how many words were more probable. Takes twice as long.

        Raises:
            ValueError: For a model without a softmax, and for bad sentences.
        """
        rows = check_sentences(sentences)
        layer = self.output_layer
        found: list[Score] = []
        read = zip(rows, self.top_states(rows), strict=True)
        for some in batched(read, lambda each: len(each[0]) + 1, max_size=TOKENS):
            ids = [layer.ids(words) for words, _ in some]
            hidden = zip(*(self._hidden(*states) for _, states in some), strict=True)
            scored = [
                self._scored(states, ids, backward=direction == 1, rank=rank)
                for direction, states in enumerate(hidden)
            ]
            for k, numbers in enumerate(ids):
                found.append(_score(numbers == layer.unknown, [each[k] for each in scored]))
        return found

    def distributions(self, words: Words) -> Distributions:
        """How probable every word of the vocabulary is at each place of a sentence.

        Args:
            words: The words, or spaCy's tokens.

        Raises:
            ValueError: For a model without a softmax, and for a string.
        """
        layer = self.output_layer
        ((states, edges),) = self.top_states([words])
        found = [layer.distributions(hidden) for hidden in self._hidden(states, edges)]
        return Distributions(found[0], found[1] if len(found) > 1 else None)

    def next_words(self, words: Words, n: int = 10, direction: str = "forward") -> Ranked:
        """The words that most probably go on, or that most probably go before.

        Args:
            words: What has been said so far; backwards: what comes after. May be empty.
            n: How many.
            direction: "forward" or "backward".

        Returns:
            Words and their natural-log probabilities, the most probable first. `</S>` (backwards:
            `<S>`) is one of them: the sentence ends. `<UNK>` is not.

        Raises:
            ValueError: For a model without a softmax or that direction, and for a bad number.
        """
        self._check(n, direction, DIRECTIONS[1:])
        layer = self.output_layer
        ((states, edges),) = self.top_states([words])
        forward = direction == "forward"
        hidden = self._hidden(states, edges)
        last = hidden[0][-1:] if forward else hidden[1][:1]
        never = (layer.begin if forward else layer.end, layer.unknown)
        return layer.best([last], n, never=never)[0]

    def substitutes(
        self,
        words: Words,
        position: int,
        n: int = 10,
        direction: str = "both",
        *,
        itself: bool = True,
    ) -> Ranked:
        """The words that could stand in a place, by what stands around it.

        By both directions, it is the product of their probabilities divided by how frequent the
        word is, as shares of the whole vocabulary: both have taken that into account, and it should
        count once. A vocabulary carries no counts: the log-uniform distribution by rank, with which
        the sampler trains, stands for them, so it must be sorted by frequency, as is usual.

        Args:
            words: The sentence: words, or spaCy's tokens.
            position: The place, counted from 0. What stands there is not read.
            n: How many.
            direction: "both", or "forward": by what is before alone, or "backward".
            itself: Whether the word that stands there may be one of them.

        Returns:
            Words and their natural-log probabilities, the most probable first. Never `<S>`, `</S>`
            or `<UNK>`.

        Raises:
            ValueError: For a model without a softmax or that direction, a bad number, and a place
                that the sentence does not have.
        """
        (sentence,) = check_sentences([words])
        if not 0 <= position < len(sentence):
            raise ValueError(
                f"position is {position}, but the sentence has {len(sentence)} words: expected "
                f"0 to {len(sentence) - 1}"
                if sentence
                else f"position is {position}, but the sentence has no words"
            )
        return self.all_substitutes([sentence], n, direction, itself=itself)[0][position]

    def all_substitutes(
        self,
        sentences: Iterable[Words],
        n: int = 10,
        direction: str = "both",
        *,
        itself: bool = True,
    ) -> list[list[Ranked]]:
        """`substitutes` of every word of some sentences, many at a time.

        Args:
            sentences: As for `encode`.
            n: How many for each word.
            direction: As for `substitutes`.
            itself: Likewise.

        Returns:
            For each sentence and each of its words what `substitutes` gives.

        Raises:
            ValueError: As for `substitutes`, and for bad sentences.
        """
        self._check(n, direction, DIRECTIONS)
        rows = check_sentences(sentences)
        layer = self.output_layer
        found: list[list[Ranked]] = []
        read = zip(rows, self.top_states(rows), strict=True)
        for some in batched(read, lambda each: len(each[0]) + 1, max_size=TOKENS):
            around = [self._around(*states) for _, states in some]
            ids = np.concatenate([layer.ids(words) for words, _ in some])
            states = [np.concatenate(each) for each in zip(*around, strict=True)]
            best = self.substitutes_by(states, n, direction, without=None if itself else ids)
            rest = iter(best)
            found += [[next(rest) for _ in words] for words, _ in some]
        return found

    def substitutes_by(
        self, states: Sequence[Floats], n: int, direction: str, *, without: Ints | None = None
    ) -> list[Ranked]:
        """What could stand in places whose surroundings have been read.

        Args:
            states: The forward states before them, and the backward states after them.
                *Shape:* (n_places, P) each.
            n: How many words for each.
            direction: As for `substitutes`.
            without: Number of one word for each that is left out. *Shape:* (n_places,).

        Raises:
            ValueError: As for `substitutes`.
        """
        self._check(n, direction, DIRECTIONS)
        layer = self.output_layer
        chosen = {"both": states, "forward": states[:1], "backward": states[1:]}[direction]
        never = (layer.begin, layer.end, layer.unknown)
        return layer.best(chosen, n, never=never, without=without)

    def _scored(
        self, states: Sequence[Floats], ids: Sequence[Ints], *, backward: bool, rank: bool
    ) -> list[tuple[Logs, Ints | None]]:
        """How probable one direction finds the words of each sentence, and the mark at its end."""
        layer = self.output_layer
        targets = [
            np.insert(each, 0, layer.begin) if backward else np.append(each, layer.end)
            for each in ids
        ]
        logs, ranks = layer.log_probabilities(
            np.concatenate(states), np.concatenate(targets), rank=rank
        )
        cuts = np.cumsum([len(each) for each in targets])[:-1]
        every_rank = [None] * len(ids) if ranks is None else np.split(ranks, cuts)
        return list(zip(np.split(logs, cuts), every_rank, strict=True))

    def _hidden(self, states: Floats, edges: Floats) -> list[Floats]:
        """What each direction predicts from. *Shape:* (n_words + 1, P) each."""
        half = self.config.projection_dim
        forward = np.concatenate([edges[None, :half], states[:, :half]])
        if not self.config.bidirectional:
            return [forward]
        return [forward, np.concatenate([states[:, half:], edges[None, half:]])]

    def _around(self, states: Floats, edges: Floats) -> list[Floats]:
        """What each direction predicts the words from. *Shape:* (n_words, P) each."""
        hidden = self._hidden(states, edges)
        return [hidden[0][:-1], *(each[1:] for each in hidden[1:])]

    def _check(self, n: int, direction: str, possible: Sequence[str]) -> None:
        try:
            number = 0 if isinstance(n, bool) else operator.index(n)
        except TypeError:
            number = 0
        if number < 1:
            raise ValueError(f"n is {n!r}: expected a number of words, 1 or more")
        if direction not in possible:
            raise ValueError(f"direction is {direction!r}: expected one of {', '.join(possible)}")
        if direction != "forward" and not self.config.bidirectional:
            raise ValueError(
                f'this model reads forwards only: direction is {direction!r}, expected "forward"'
            )


def _score(unknown: Bools, scored: Sequence[tuple[Logs, Ints | None]]) -> Score:
    forward, forward_rank = scored[0]
    backward, backward_rank = scored[1] if len(scored) > 1 else (None, None)
    return Score(forward, backward, unknown, forward_rank, backward_rank)
