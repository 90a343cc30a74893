"""Training batches as bilm-tf packs them: every row is an endless stream of sentences.

A row takes the next sentence of the corpus whenever it has used up its own, in the order of the
rows (bilm-tf, `_get_batch`). A sentence of n words gives n + 1 positions: forward the inputs are
`<S> w1 .. wn` and the targets `w1 .. wn </S>`; backward `</S> wn .. w1` and `wn .. w1 <S>`. So the
last symbol of a sentence is only ever a target. Both directions need the same number of positions,
hence one plan serves both; bilm-tf shuffles the two independently, which is an option.

There is no loop over tokens: which row gets which sentence takes one binary search per row, and the
batch is then gathered as a whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.vocabulary import BOS, EOS

Direction = Literal["forward", "backward"]
DIRECTIONS: tuple[Direction, Direction] = ("forward", "backward")


def saved_count(state: Mapping[str, Any], name: str, most: int = 2**40) -> int:
    """A count of a saved position.

    Raises:
        KeyError: If it is not there.
        ValueError: If it is no count, or more than it can be.
    """
    value = state[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{name} is {value!r}, expected a count up to {most}")
    return value


@dataclass(frozen=True)
class PackedBatch:
    """One step of every row.

    Attributes:
        inputs: Type ids. *Shape:* (directions, rows, steps), int64.
        targets: Word ids. *Shape:* (directions, rows, steps), int64.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]


class PackedStream:
    """Endless batches of packed sentences, which can be stopped and resumed anywhere.

    Args:
        corpus: The text.
        n_rows: Rows of a batch.
        n_steps: Positions of a row in one batch (the original's `unroll_steps`).
        seed: Shuffles the sentences, differently in every epoch; None keeps the corpus's order, in
            which the batches are bilm-tf's own to compare with.
        directions: The directions wanted, as the first axis of a batch.
        same_text: Whether both directions read the same sentences, so that a batch has half as many
            different words; if not, each has an order of its own (the original).
    """

    def __init__(
        self,
        corpus: Corpus,
        n_rows: int,
        n_steps: int,
        *,
        seed: int | None = 0,
        directions: Sequence[Direction] = DIRECTIONS,
        same_text: bool = True,
    ) -> None:
        self.corpus = corpus
        self.directions = tuple(directions)
        lengths = np.diff(corpus.sentences)
        n_plans = 1 if same_text else len(self.directions)
        self._plans = [_Plan(lengths, n_rows, n_steps, seed, number) for number in range(n_plans)]

    def next(self) -> PackedBatch:
        """The next batch."""
        places = [plan.advance() for plan in self._plans]
        read = [
            read_symbols(self.corpus, *places[number % len(places)], direction)
            for number, direction in enumerate(self.directions)
        ]
        return PackedBatch(
            np.stack([inputs for inputs, _ in read]), np.stack([targets for _, targets in read])
        )

    def state(self) -> dict[str, Any]:
        """Where every row stands, as plain numbers for JSON."""
        return {"plans": [plan.state() for plan in self._plans]}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a `state` of a stream with the same corpus and options.

        Raises:
            ValueError: If it does not fit this stream.
        """
        plans = state["plans"]
        if len(plans) != len(self._plans):
            raise ValueError(
                f"the saved position is of {len(plans)} orders of sentences, "
                f"this stream has {len(self._plans)}"
            )
        for plan, saved in zip(self._plans, plans, strict=True):
            plan.restore(saved)


def read_symbols(
    corpus: Corpus,
    sentence: NDArray[np.int64],
    offset: NDArray[np.int64],
    direction: Direction,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Inputs (type ids) and targets (word ids) at positions within sentences.

    Args:
        corpus: The text.
        sentence: Numbers of sentences.
        offset: Positions in them; 0 is the boundary symbol.
        direction: Which way to read.

    Returns:
        Two arrays of the arguments' shape.
    """
    first, end = corpus.sentences[sentence], corpus.sentences[sentence + 1]
    if direction == "forward":
        here, there, symbol, last_symbol = first + offset - 1, first + offset, BOS, EOS
    else:
        here, there, symbol, last_symbol = end - offset, end - offset - 1, EOS, BOS
    at_first, at_last = offset == 0, offset == end - first
    # At a sentence's ends one of the two falls outside it; what is read there is replaced.
    inputs = corpus.tokens[here.clip(0, corpus.n_tokens - 1)].astype(np.int64)
    targets = corpus.word_of_type[corpus.tokens[there.clip(0, corpus.n_tokens - 1)]]
    inputs[at_first], targets[at_last] = symbol, last_symbol
    return inputs, targets


class _Plan:
    """Which sentence, and how much of it, every row reads in each batch.

    Args:
        lengths: Words of every sentence.
        n_rows: Rows of a batch.
        n_steps: Positions of a row in one batch.
        seed: Shuffles the sentences; None: the corpus's order.
        number: Distinguishes the orders of several plans.
    """

    def __init__(
        self,
        lengths: NDArray[np.int64],
        n_rows: int,
        n_steps: int,
        seed: int | None,
        number: int,
    ) -> None:
        self.positions = lengths + 1
        self.n_rows = n_rows
        self.n_steps = n_steps
        self.seed = seed
        self.number = number
        # The sentence each row is in, and the positions of it already used. At first all are at the
        # end of some sentence.
        self.sentence = np.zeros(n_rows, dtype=np.int64)
        self.offset = np.full(n_rows, self.positions[0])
        self._start(epoch=0, taken=0)

    def _start(self, epoch: int, taken: int) -> None:
        self.epoch = epoch
        self.taken = taken  # sentences of the queue that rows have had
        self.queue = self._order(epoch)  # the epoch's sentences, then later ones' as needed
        self.ends = np.cumsum(self.positions[self.queue])

    def _order(self, epoch: int) -> NDArray[np.int64]:
        n = len(self.positions)
        if self.seed is None:
            return np.arange(n)
        return np.random.default_rng((self.seed, self.number, epoch)).permutation(n)

    def advance(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sentence and offset at every position of the next batch.

        Returns:
            Two arrays. *Shape:* (n_rows, n_steps).
        """
        left = self.positions[self.sentence] - self.offset
        owner = self._hand_out(self.n_steps - left)
        taken = self.queue[self.taken - len(owner) : self.taken]
        # Pieces of sentences, those of one row after the other: first what is left of its own.
        row = np.concatenate([np.arange(self.n_rows), owner])
        order = np.argsort(row, kind="stable")
        row = row[order]
        sentence = np.concatenate([self.sentence, taken])[order]
        offset = np.concatenate([self.offset, np.zeros_like(taken)])[order]
        size = np.concatenate([left, self.positions[taken]])[order]
        last = np.searchsorted(row, np.arange(self.n_rows), side="right") - 1
        excess = np.add.reduceat(size, np.concatenate([[0], last[:-1] + 1])) - self.n_steps
        size[last] -= excess
        self.sentence, self.offset = sentence[last], offset[last] + size[last]
        skipped = np.cumsum(size) - size - offset
        shape = self.n_rows, self.n_steps
        place = np.arange(self.n_rows * self.n_steps) - np.repeat(skipped, size)
        return np.repeat(sentence, size).reshape(shape), place.reshape(shape)

    def _hand_out(self, needs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give rows, one after the other, sentences until they have the positions they need.

        Returns:
            The row of each sentence handed out.
        """
        # A sentence has two positions at least.
        most = self.n_rows * (self.n_steps // 2 + 1)
        self._fill(most)
        before = int(self.ends[self.taken - 1]) if self.taken else 0
        ends = (self.ends[self.taken : self.taken + most] - before).tolist()
        short_of = np.flatnonzero(needs > 0)
        counts = []
        used = position = 0
        for need in needs[short_of].tolist():
            stop = bisect_left(ends, position + need, used) + 1
            counts.append(stop - used)
            used, position = stop, ends[stop - 1]
        self.taken += used
        return np.repeat(short_of, counts)

    def _fill(self, n_sentences: int) -> None:
        """Have at least so many sentences in the queue, and no epoch that is used up."""
        n = len(self.positions)
        done = self.taken // n
        short = self.taken + n_sentences - len(self.queue)
        if not done and short <= 0:
            return
        queued = self.epoch + len(self.queue) // n
        more = [self._order(queued + extra) for extra in range(-(-short // n))]
        self.queue = np.concatenate([self.queue, *more])[done * n :]
        self.ends = np.cumsum(self.positions[self.queue])
        self.epoch += done
        self.taken -= done * n

    def state(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "taken": self.taken,
            "sentence": self.sentence.tolist(),
            "offset": self.offset.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        sentence = np.array(state["sentence"], dtype=np.int64)
        offset = np.array(state["offset"], dtype=np.int64)
        if sentence.shape != self.sentence.shape or offset.shape != sentence.shape:
            raise ValueError(
                f"the saved position is of {len(sentence)} rows, this stream has {self.n_rows}"
            )
        outside = sentence.min() < 0 or sentence.max() >= len(self.positions) or offset.min() < 0
        if outside or np.any(offset > self.positions[sentence]):
            raise ValueError("the saved position does not fit the corpus: it is of another one")
        self.sentence, self.offset = sentence, offset
        most = len(self.positions) + self.n_rows * (self.n_steps // 2 + 1)
        self._start(saved_count(state, "epoch"), saved_count(state, "taken", most))
