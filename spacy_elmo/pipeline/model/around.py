"""What the states around each token of a Doc say, out of the states of the top layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spacy_elmo.bilm.context import Neighbours
from spacy_elmo.bilm.scoring.output_layer import OutputLayer
from spacy_elmo.pipeline.doc.sentences import DocSentences
from spacy_elmo.pipeline.model.loaded import LoadedBiLM
from spacy_elmo.pipeline.settings import ElmoSettings
from spacy_elmo.types import Floats, Ints


class Around(NamedTuple):
    """What is around the tokens of a Doc, None where nobody asked.

    Attributes:
        context: The states themselves, zeros for white space.
            *Shape:* (n_directions, n_tokens, width / n_directions).
        scores: The surprisal of each token in bits, zero for white space, and where it is the last
            of its sentence in reading direction that of the mark that follows, else NaN.
            *Shape:* (n_directions, n_tokens, 2).
    """

    context: Floats | None
    scores: Floats | None


NOTHING_AROUND = Around(None, None)


def wants_around(settings: ElmoSettings) -> bool:
    """Whether the settings ask for anything of this."""
    return settings.context or settings.score


def read_around(
    loaded: LoadedBiLM, read: Sequence[DocSentences], tops: Sequence[Floats]
) -> list[Around]:
    """What the settings ask for, of each Doc.

    Args:
        loaded: The language model.
        read: The sentences of the Docs.
        tops: States of the top layer, zeros for white space. *Shape:* (n_tokens, width).
    """
    edges = loaded.edges[-1].reshape(-1)
    n_directions = loaded.lm.config.n_directions
    beside = [Neighbours(doc.numbers, n_directions) for doc in read]
    contexts = [
        by_direction(each.gather(np, top, edges), n_directions)
        for each, top in zip(beside, tops, strict=True)
    ]
    scores: Sequence[Floats | None] = [None] * len(read)
    if loaded.settings.score:
        halves = [by_direction(top, n_directions) for top in tops]
        scores = _scores(loaded.lm.output_layer, read, beside, contexts, halves)
    return [
        Around(context if loaded.settings.context else None, score)
        for context, score in zip(contexts, scores, strict=True)
    ]


def by_direction(states: Floats, n_directions: int) -> Floats:
    """The halves of some states. (n_tokens, width) to (n_directions, n_tokens, half)."""
    return np.stack(np.split(states, n_directions, axis=1))


def _scores(
    layer: OutputLayer,
    read: Sequence[DocSentences],
    beside: Sequence[Neighbours],
    contexts: Sequence[Floats],
    tops: Sequence[Floats],
) -> list[Floats]:
    found = [
        np.stack([np.zeros(top.shape[:2]), np.full(top.shape[:2], np.nan)], axis=2) for top in tops
    ]
    ids = [layer.ids([word for words in doc.words for word in words]) for doc in read]
    for direction in range(len(tops[0]) if tops else 0):
        # What is predicted last, and from which words.
        mark = layer.begin if direction else layer.end
        ends = [each.first if direction else each.last for each in beside]
        states: list[Floats] = []
        targets: list[Ints] = []
        for doc, numbers, context, top, last in zip(read, ids, contexts, tops, ends, strict=True):
            states += [context[direction, doc.rows], top[direction, last]]
            targets += [numbers, np.full(len(last), mark, dtype=np.int64)]
        logs, _ = layer.log_probabilities(np.concatenate(states), np.concatenate(targets))
        bits = iter(np.split(-logs / np.log(2.0), np.cumsum([len(each) for each in targets])[:-1]))
        for values, doc, last in zip(found, read, ends, strict=True):
            values[direction, doc.rows, 0] = next(bits)
            values[direction, last, 1] = next(bits)
    return [each.astype(np.float32) for each in found]
