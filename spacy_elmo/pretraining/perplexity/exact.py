"""Perplexity with the full softmax: exp of the mean loss per predicted token.

Of a sentence of n words the forward direction predicts `w1 .. wn </S>` and the backward direction
`wn .. w1 <S>`: n + 1 tokens each. `<UNK>` is one class like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.bilm.batching import batched
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.scoring.output_layer import check_can_score
from spacy_elmo.bilm.state import State
from spacy_elmo.pretraining.batches.packed import DIRECTIONS, read_symbols
from spacy_elmo.pretraining.batches.running import TextPositions, token_inputs
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.step.language_model import LayerStates, full_loss, run_direction
from spacy_elmo.vocabulary import BOS, EOS, UNK

# Sentences sorted by length together, and tokens computed at once.
CHUNK = 512
BATCH_TOKENS = 4096


@dataclass(frozen=True)
class Perplexity:
    """Perplexity of each direction on some text.

    Attributes:
        directions: Forward, and backward if there is one.
        n_tokens: Predicted tokens per direction.
        n_unknown: How many of them are `<UNK>`.
    """

    directions: tuple[float, ...]
    n_tokens: int
    n_unknown: int

    @property
    def average(self) -> float:
        """The perplexity of both directions: exp of their mean loss.

        >>> round(Perplexity((50.0, 200.0), 10, 1).average, 6)
        100.0
        """
        logs = [math.log(value) for value in self.directions]
        return math.exp(sum(logs) / len(logs))

    @property
    def unknown_rate(self) -> float:
        """Share of `<UNK>` among the predicted tokens."""
        return self.n_unknown / self.n_tokens


class _Sums:
    """Losses added up per direction."""

    def __init__(self, lm: BiLM) -> None:
        self.losses = torch.zeros(lm.config.n_directions, dtype=torch.float64, device=lm.device)
        self.n_tokens = 0
        self.n_unknown = 0

    def add(self, direction: int, losses: Tensor, targets: Tensor) -> None:
        self.losses[direction] += losses.double().sum()
        if direction == 0:
            self.n_tokens += len(targets)
            self.n_unknown += int((targets == UNK).sum())

    def result(self) -> Perplexity:
        if self.n_tokens == 0:
            raise ValueError("no text to measure perplexity on")
        means = (self.losses / self.n_tokens).tolist()
        return Perplexity(tuple(map(perplexity_of, means)), self.n_tokens, self.n_unknown)


@torch.no_grad()
def sentence_perplexity(
    lm: BiLM, sentences: Iterable[Sequence[str]], *, initial_state: str | None = None
) -> Perplexity:
    """Perplexity where every sentence starts from the same initial state.

    Args:
        lm: A model with a softmax and its vocabulary.
        sentences: Lists of words; empty ones are left out.
        initial_state: "zero" or "warm"; None: what the model has in use.

    Raises:
        ValueError: The model has no softmax or no such state, or there is no text at all.
    """
    check_can_score(lm)
    assert lm.softmax is not None
    assert lm.vocabulary is not None
    initial_state = initial_state or lm.initial_state
    if initial_state == "carry":
        raise ValueError('sentences on their own have no state to carry: use "zero" or "warm"')
    ids = {word: number for number, word in enumerate(lm.vocabulary)}
    width = lm.config.projection_dim
    sums = _Sums(lm)
    for batch in _batches(sentences):
        start = lm.start(initial_state, len(batch))
        top = lm.run(batch, start, boundaries=True)[0][-1]
        lengths = torch.tensor([len(words) + 2 for words in batch], device=lm.device)
        numbered = ((BOS, *(ids.get(word, UNK) for word in words), EOS) for words in batch)
        targets = torch.tensor(list(chain.from_iterable(numbered)), device=lm.device)
        ends = lengths.cumsum(0) - 1
        inside = torch.ones(len(targets), dtype=torch.bool, device=lm.device)
        inside[ends] = False
        before = inside.nonzero().squeeze(1)
        sums.add(
            0, full_loss(lm.softmax, top[before, :width], targets[before + 1]), targets[before + 1]
        )
        if lm.config.bidirectional:
            losses = full_loss(lm.softmax, top[before + 1, width:], targets[before])
            sums.add(1, losses, targets[before])
    return sums.result()


@torch.no_grad()
def running_perplexity(
    lm: BiLM,
    corpus: Corpus,
    *,
    start: State | None = None,
    max_tokens: int | None = None,
    n_rows: int = 64,
    n_steps: int = 32,
    check: Callable[[], None] = lambda: None,
) -> Perplexity:
    """Perplexity on running text, read in parallel by rows whose state is never reset.

    Args:
        lm: A model with a softmax.
        corpus: The text, its targets numbered by the model's vocabulary.
        start: State of one row that every row begins with; None: the warm state where one is
            stored with the model, else zero. Where a training never reset its state, some cells
            hold for good what they came to hold in it: from zero such a model does not get there
            within a thousand words.
        max_tokens: Measure about so many, spread over the text; None: all.
        n_rows: Readers at most; a short text has fewer.
        n_steps: Positions computed at once.
        check: Called before each of these; what it raises ends the measurement.

    Raises:
        ValueError: For a model without a softmax.
    """
    check_can_score(lm)
    assert lm.softmax is not None
    text = TextPositions(corpus)
    n_rows = max(1, min(n_rows, text.n_positions // (8 * n_steps)))
    starts = np.arange(n_rows + 1, dtype=np.int64) * text.n_positions // n_rows
    lengths = np.diff(starts)
    if max_tokens is not None:
        lengths = lengths.clip(max=-(-max_tokens // n_rows))
    sums = _Sums(lm)
    states = _rows_of(_start(lm) if start is None else start, n_rows)
    for first in range(0, int(lengths.max()), n_steps):
        check()
        steps = np.arange(first, min(first + n_steps, int(lengths.max())))[:, None]
        inside = torch.from_numpy((steps < lengths).reshape(-1)).to(lm.device)
        found = text.find(starts[:-1] + steps)
        for direction, name in enumerate(DIRECTIONS[: lm.config.n_directions]):
            inputs, words = read_symbols(corpus, *found, name)
            types, index = np.unique(inputs, return_inverse=True)
            ids = token_inputs(corpus, types, words=lm.config.char_cnn is None)
            vectors = lm.token_encoder(torch.from_numpy(ids).to(lm.device))
            places = torch.from_numpy(index.reshape(inputs.shape)).to(lm.device)
            hidden, states[direction] = run_direction(
                lm, direction, vectors[places], states[direction]
            )
            targets = torch.from_numpy(words.reshape(-1)).to(lm.device)[inside]
            sums.add(direction, full_loss(lm.softmax, hidden[inside], targets), targets)
    return sums.result()


def _start(lm: BiLM) -> State:
    return lm.start("zero" if lm.initial_h is None else "warm", 1)


def _rows_of(state: State, n_rows: int) -> list[LayerStates]:
    """The state of one row for many, by direction and as the trainer lays it out."""
    h, c = (
        part[:, :, 0, :, None].expand(-1, -1, -1, n_rows).unbind(dim=1)
        for part in (state.h, state.c)
    )
    return [LayerStates(*(part.contiguous() for part in pair)) for pair in zip(h, c, strict=True)]


def some_sentences(corpus: Corpus, max_tokens: int | None = None) -> Iterator[list[str]]:
    """Sentences from all over a corpus.

    Args:
        corpus: The text.
        max_tokens: About so many words; None: all.
    """
    every = 1 if max_tokens is None else max(1, round(corpus.n_tokens / max_tokens))
    return islice(corpus.words(), 0, None, every)


def _batches(sentences: Iterable[Sequence[str]]) -> Iterator[list[list[str]]]:
    """Sentences of like length together."""
    waiting = (list(words) for words in sentences if len(words))
    while chunk := sorted(islice(waiting, CHUNK), key=len):
        yield from batched(chunk, len, max_size=BATCH_TOKENS)


def perplexity_of(loss: float) -> float:
    """Perplexity of a mean loss, or infinity where it overflows, as an untrained model's may.

    >>> perplexity_of(0.0), perplexity_of(1000.0)
    (1.0, inf)
    """
    return math.exp(loss) if loss < 700.0 else math.inf
