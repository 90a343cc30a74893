"""What the rows of a batch read, step by step: the three orders of the training config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.pretraining.batches.packed import (
    DIRECTIONS,
    PackedStream,
    read_symbols,
    saved_count,
)
from spacy_elmo.pretraining.batches.running import TextPositions
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus


@dataclass(frozen=True)
class Window:
    """One step of all rows.

    Attributes:
        inputs: Type ids. *Shape:* (directions, steps, rows).
        targets: Word ids; -1 behind the end of a row that is shorter. *Shape:* as inputs.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]

    @property
    def n_positions(self) -> int:
        """Targets of one direction."""
        return int((self.targets[0] >= 0).sum())


class Windows(Protocol):
    """An endless source of windows that can be stopped and resumed anywhere."""

    def next(self) -> Window:
        """The next window."""
        ...

    def state(self) -> dict[str, Any]:
        """Where the source stands, JSON-able."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` of a source with the same corpus and config."""
        ...


def make_windows(corpus: Corpus, config: PretrainConfig) -> Windows:
    """The source a config asks for."""
    kinds: dict[str, Callable[[Corpus, PretrainConfig], Windows]] = {
        "text": RunningWindows,
        "shuffled": ShuffledWindows,
        "sentences": SentenceWindows,
    }
    return kinds[config.order](corpus, config)


class RunningWindows:
    """Every row reads the running text on, from a place of its own, and goes round at its end."""

    def __init__(self, corpus: Corpus, config: PretrainConfig) -> None:
        self.corpus = corpus
        self.text = TextPositions(corpus)
        self.directions = DIRECTIONS[: config.model.n_directions]
        self.steps = np.arange(config.unroll_steps, dtype=np.int64)[:, None]
        rows = np.arange(config.batch_size, dtype=np.int64)
        self.first = rows * self.text.n_positions // config.batch_size
        self.number = 0

    def next(self) -> Window:
        """The next window."""
        positions = self.first + self.number * len(self.steps) + self.steps
        self.number += 1
        places = self.text.find(positions)
        read = [read_symbols(self.corpus, *places, direction) for direction in self.directions]
        return Window(np.stack([x for x, _ in read]), np.stack([y for _, y in read]))

    def state(self) -> dict[str, Any]:
        """Where the source stands, JSON-able."""
        return {"number": self.number}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` of a source with the same corpus and config."""
        self.number = saved_count(state, "number")


class ShuffledWindows:
    """bilm-tf's packing: a row that has used up its sentence takes the next one of the order."""

    def __init__(self, corpus: Corpus, config: PretrainConfig) -> None:
        self.stream = PackedStream(
            corpus,
            config.batch_size,
            config.unroll_steps,
            seed=config.seed,
            directions=DIRECTIONS[: config.model.n_directions],
            same_text=config.same_text,
        )

    def next(self) -> Window:
        """The next window."""
        batch = self.stream.next()
        return Window(batch.inputs.transpose(0, 2, 1), batch.targets.transpose(0, 2, 1))

    def state(self) -> dict[str, Any]:
        """Where the source stands, JSON-able."""
        return self.stream.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` of a source with the same corpus and config."""
        self.stream.restore(state)


class SentenceWindows:
    """Rows are sentences, or pieces of long ones, of like length; all start from the zero state."""

    # Sentences are sorted by length within so many batches, whose order is then shuffled.
    POOL = 64

    def __init__(self, corpus: Corpus, config: PretrainConfig) -> None:
        self.corpus = corpus
        self.directions = DIRECTIONS[: config.model.n_directions]
        self.seed = config.seed
        self.budget = config.batch_size * config.unroll_steps
        positions = np.diff(corpus.sentences) + 1
        most = config.max_sentence_length
        pieces = -(-positions // most)
        self.sentence = np.repeat(np.arange(len(positions)), pieces)
        first = np.cumsum(pieces) - pieces
        self.begin = (np.arange(len(self.sentence)) - first[self.sentence]) * most
        self.length = np.minimum(positions[self.sentence] - self.begin, most)
        self._plan(0, 0)

    def _plan(self, epoch: int, taken: int) -> None:
        """Put the epoch's pieces into batches."""
        self.epoch, self.taken = epoch, taken
        random = np.random.default_rng((self.seed, epoch))
        order = random.permutation(len(self.length))
        pool = np.cumsum(self.length[order]) // (self.budget * self.POOL)
        order = order[np.lexsort((self.length[order], pool))]
        batch = np.cumsum(self.length[order]) // self.budget
        self.batches = np.split(order, np.flatnonzero(np.diff(batch)) + 1)
        random.shuffle(self.batches)

    def next(self) -> Window:
        """The next window."""
        if self.taken == len(self.batches):
            self._plan(self.epoch + 1, 0)
        rows = self.batches[self.taken]
        self.taken += 1
        length = self.length[rows]
        steps = np.arange(length.max())[:, None]
        outside = steps >= length
        place = np.minimum(steps, length - 1) + self.begin[rows]
        sentence = np.broadcast_to(self.sentence[rows], place.shape)
        windows = []
        for direction in self.directions:
            inputs, targets = read_symbols(self.corpus, sentence, place, direction)
            targets[outside] = -1
            windows.append((inputs, targets))
        return Window(np.stack([x for x, _ in windows]), np.stack([y for _, y in windows]))

    def state(self) -> dict[str, Any]:
        """Where the source stands, JSON-able."""
        return {"epoch": self.epoch, "taken": self.taken}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` of a source with the same corpus and config."""
        self._plan(saved_count(state, "epoch"), 0)
        self.taken = saved_count(state, "taken", len(self.batches))
