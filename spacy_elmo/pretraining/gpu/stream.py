"""The sentences of an epoch in shuffled order, laid out on the device for all rows.

Every row reads a stretch of the shuffled sentences of its own, one after the other, its state
carried on: what the order "shuffled" of the CPU's training does (bilm-tf's packing), but for the
place where a row's stretch ends. Both directions read the same stretches, each sentence from its
own end.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.vocabulary import BOS, EOS

# Positions laid out at once: bounds the memory of the int64 indices.
BLOCK = 1 << 23


class EpochStream:
    """Inputs and targets of all positions of an epoch, on the device.

    Args:
        corpus: The text.
        n_rows: Rows of a batch.
        n_steps: Positions of a row in one window.
        n_directions: 2, or 1 for a forward-only model.
        seed: Shuffles the sentences, differently in every epoch.
        device: Where the text is kept.

    Attributes:
        n_windows: Windows of an epoch. What is left over, fewer positions than one window has, is
            left out; each epoch leaves out others.

    Raises:
        ValueError: For a corpus smaller than one window.
    """

    def __init__(
        self,
        corpus: Corpus,
        n_rows: int,
        n_steps: int,
        n_directions: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.n_rows, self.n_steps, self.seed = n_rows, n_steps, seed
        n_positions = corpus.n_tokens + corpus.n_sentences
        self.n_windows = n_positions // (n_rows * n_steps)
        if not self.n_windows:
            raise ValueError(
                f"the corpus has {n_positions:,} positions, one batch {n_rows} * {n_steps}: lower "
                "batch_size or unroll_steps"
            )
        self._tokens = _to(np.asarray(corpus.tokens).view(np.int32), device)
        self._starts = _to(np.asarray(corpus.sentences), device)
        self._word_of_type = _to(corpus.word_of_type.astype(np.int32), device)
        shape = (n_directions, n_rows, self.n_windows * n_steps)
        self.inputs = torch.empty(shape, dtype=torch.int32, device=device)
        self.targets = torch.empty(shape, dtype=torch.int32, device=device)
        self._steps = torch.arange(n_steps, device=device)
        self.epoch = -1

    def lay_out(self, epoch: int) -> None:
        """Fill `inputs` and `targets` with an epoch's text.

        Args:
            epoch: Its number, from 0.
        """
        if epoch == self.epoch:
            return
        # Drawn on the CPU, whose generator gives the same order everywhere.
        random = np.random.default_rng((self.seed, epoch))
        order = _to(random.permutation(len(self._starts) - 1), self._starts.device)
        lengths = self._starts[order + 1] - self._starts[order] + 1
        ends = torch.cumsum(lengths, 0)
        flat_inputs = self.inputs.view(len(self.inputs), -1)
        flat_targets = self.targets.view(len(self.targets), -1)
        n_positions = flat_inputs.shape[1]
        for begin in range(0, n_positions, BLOCK):
            end = min(begin + BLOCK, n_positions)
            positions = torch.arange(begin, end, device=ends.device)
            place = torch.searchsorted(ends, positions, right=True)
            offset = positions - (ends[place] - lengths[place])
            sentence = order[place]
            for direction in range(len(flat_inputs)):
                inputs, targets = self._symbols(direction, sentence, offset)
                flat_inputs[direction, begin:end] = inputs
                flat_targets[direction, begin:end] = targets
        self.epoch = epoch

    def _symbols(self, direction: int, sentence: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Input and target at places in sentences; see `batches.packed.read_symbols`."""
        first, end = self._starts[sentence], self._starts[sentence + 1]
        if direction == 0:
            here, there, symbol, last_symbol = first + offset - 1, first + offset, BOS, EOS
        else:
            here, there, symbol, last_symbol = end - offset, end - offset - 1, EOS, BOS
        most = len(self._tokens) - 1
        # At a sentence's ends one of the two falls outside it; what is read there is replaced.
        inputs = self._tokens[here.clamp_(0, most)]
        targets = self._word_of_type[self._tokens[there.clamp_(0, most)].long()]
        return (
            torch.where(offset == 0, symbol, inputs),
            torch.where(offset == end - first, last_symbol, targets),
        )

    def window(self, number: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a window of the epoch laid out, without asking the device.

        Args:
            number: Its number, on the device. *Shape:* ().

        Returns:
            Type ids and word ids, int64. *Shape:* (directions, steps, rows) each.
        """
        columns = number * self.n_steps + self._steps
        read = (table.index_select(2, columns) for table in (self.inputs, self.targets))
        inputs, targets = (part.transpose(1, 2).contiguous().long() for part in read)
        return inputs, targets


def _to(array: np.ndarray, device: torch.device) -> Tensor:
    # A copy: arrays of a corpus are read-only maps of its files.
    return torch.from_numpy(np.array(array)).to(device)
