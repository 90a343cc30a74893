"""Batches: a window with everything a training step needs, as tensors."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spacy_elmo.bilm.characters import PADDING
from spacy_elmo.pretraining.batches.running import token_inputs
from spacy_elmo.pretraining.batches.sampling import sample_rows
from spacy_elmo.pretraining.batches.windows import make_windows
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus


@dataclass(frozen=True)
class TrainingBatch:
    """One step's data for one process.

    Attributes:
        types: What the token layer reads, once per distinct type: character ids, from short words
            to long ones, or word ids for word input. *Shape:* (n_types, characters) or (n_types,).
        inputs: Row of `types` at each position. *Shape:* (directions, steps, rows).
        words: Rows of the softmax that the step touches in any process, negatives first.
            *Shape:* (n_words,).
        log_expected: Correction of each row's logit. *Shape:* (n_words,).
        targets: Index into `words` of each target. *Shape:* (directions, n_targets).
        places: Where the targets stand, as `step * rows + row`; None: everywhere.
            *Shape:* (directions, n_targets).
        kept: 1.0 for a row that goes on from its state, 0.0 for one that starts anew.
            *Shape:* (rows,).
        n_negatives: How many of `words` are negatives.
        n_positions: Targets of one direction, over all processes.
    """

    types: Tensor
    inputs: Tensor
    words: Tensor
    log_expected: Tensor
    targets: Tensor
    places: Tensor | None
    kept: Tensor
    n_negatives: int
    n_positions: int

    def to(self, device: torch.device) -> TrainingBatch:
        """The batch on a device, copied without anybody waiting for it."""
        if device.type == "cpu":
            return self
        moved: dict[str, Any] = {
            field.name: value.pin_memory().to(device, non_blocking=True)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **moved)


class Share(Protocol):
    """Which rows are a process's own, of several that train together, and where it computes."""

    @property
    def device(self) -> torch.device:
        """Where the process computes."""
        ...

    def rows(self, n_rows: int) -> slice:
        """The process's share of so many rows."""
        ...


class Batches:
    """Makes batches in order, in any process alike: the same step, the same negatives.

    Args:
        corpus: The text.
        config: The training config.
        group: The process among those that divide the rows.
    """

    def __init__(self, corpus: Corpus, config: PretrainConfig, group: Share) -> None:
        self.corpus = corpus
        self.config = config
        self.windows = make_windows(corpus, config)
        self.group = group

    def batch(self, step: int) -> TrainingBatch:
        """The next batch.

        Args:
            step: Its number, which seeds what is drawn for it.
        """
        config = self.config
        words = config.model.char_cnn is None
        window = self.windows.next()
        random = np.random.default_rng((config.seed, step))
        n_words = self.corpus.n_vocabulary
        every_input = self.corpus.word_of_type[window.inputs] if words else window.inputs
        sample = sample_rows(
            window.targets,
            n_words,
            config.n_negative_samples or n_words,
            random,
            also=every_input if config.share_embedding_softmax else None,
        )
        kept = np.greater_equal(random.random(window.inputs.shape[2]), config.reset_probability)
        mine = self.group.rows(window.inputs.shape[2])
        inputs, targets = every_input[:, :, mine], sample.targets[:, :, mine]
        if config.share_embedding_softmax:
            types, index = sample.words, sample.row_of_word[inputs]
        else:
            # A table's rows are touched by all processes together, or their gradients would not
            # line up; the CNN need only see this one's types.
            distinct = np.unique(every_input if words else inputs)
            index = np.searchsorted(distinct, inputs)
            types = distinct
            if not words:
                types, moved = _by_length(token_inputs(self.corpus, distinct, words=False))
                index = moved[index]
        inside = targets >= 0
        places = None
        if not inside.all():
            flat = inside.reshape(len(targets), -1)
            places = torch.from_numpy(np.stack([np.flatnonzero(row) for row in flat]))
        n_directions = len(targets)
        return TrainingBatch(
            types=torch.from_numpy(types),
            inputs=torch.from_numpy(np.ascontiguousarray(index)),
            words=torch.from_numpy(sample.words),
            log_expected=torch.from_numpy(sample.log_expected),
            targets=torch.from_numpy(targets[inside].reshape(n_directions, -1)),
            places=places,
            kept=torch.from_numpy(kept[mine].astype(np.float32)),
            n_negatives=sample.n_negatives,
            n_positions=window.n_positions,
        )

    def ahead(self, first: int) -> Iterator[tuple[TrainingBatch, dict[str, Any]]]:
        """Batches from a step on, each made while the one before is in use.

        Yields:
            Each batch with the state of the windows after it.
        """

        def make(step: int) -> tuple[TrainingBatch, dict[str, Any]]:
            return self.batch(step).to(self.group.device), self.windows.state()

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(make, first)
            while True:
                ready = waiting.result()
                first += 1
                waiting = pool.submit(make, first)
                yield ready


def _by_length(characters: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Words from short to long, so that the token layer can leave out padding.

    Args:
        characters: Character ids. *Shape:* (n_types, characters).

    Returns:
        The ids in the new order, and the new place of each word.
    """
    order = np.argsort((characters != PADDING).sum(axis=1), kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return characters[order], places
