"""The fast way through the network: no gradients, no padding, one thread per direction.

Same results as `BiLM.forward` up to float32 rounding. What makes it fast:

- each word type is embedded once (`token_cache.py`);
- the state after the opening `<S>` (reading backwards: `</S>`) is the same for every sentence, so
  it is computed once, and the closing mark's output is thrown away, so it is not computed at all;
- sentences of like length share a batch, packed by time step (`packing.py`);
- a step's gates are one product into one buffer, and all its elementwise work is in place
  (`fast_lstm.py`), with a faster tanh (`activations.py`);
- the directions never meet inside the network: each runs in its own thread, on half the cores,
  without the waiting that splitting every small operation over all cores costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.bilm.inference.cache import TokenCache
from spacy_elmo.bilm.inference.lstm import FastLayer
from spacy_elmo.bilm.inference.threads import run_side_by_side
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.bilm.packing import Packing, pack
from spacy_elmo.vocabulary import BOS_WORD, EOS_WORD

# Rows (sentences) that run side by side: 2 % faster at 1024/128 than 256 of them, 7 % than 128. 512
# gain one more per cent, and cost 60 MB in a long stream.
MAX_ROWS = 384


class Engine:
    """Runs batches of sentences through a network whose weights stay as they are.

    cache: Token-layer vectors. directions: Name and LSTM layers of each direction.
    state: Initial h and c. *Shape:* (n_layers, n_directions, P), (n_layers, n_directions, C).
    skip: Whether layers above the first add their input to their output.
    dtype: Float type of the LSTM layers' products; everything else is done in float32.
    """

    def __init__(
        self,
        cache: TokenCache,
        directions: Sequence[tuple[str, list[LSTMLayer]]],
        state: tuple[Tensor, Tensor],
        *,
        skip: bool,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.cache = cache
        self.skip = skip
        h, c = state
        marks = cache.vectors([BOS_WORD, EOS_WORD])
        self.directions: list[tuple[str, list[FastLayer]]] = []
        for d, (name, layers) in enumerate(directions):
            fast = [
                FastLayer.of(layer, h[k, d : d + 1], c[k, d : d + 1], dtype)
                for k, layer in enumerate(layers)
            ]
            self.directions.append((name, self._after_mark(fast, marks[d : d + 1])))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.directions[0][1][0].weight.device

    def _after_mark(self, layers: list[FastLayer], mark: Tensor) -> list[FastLayer]:
        """The layers, starting from where the opening mark leaves them."""
        after = []
        inputs = mark
        for k, layer in enumerate(layers):
            outputs, h, c = layer.run(inputs, [1])
            after.append(layer.starting_from(h, c))
            inputs = outputs + inputs if self.skip and k else outputs
        return after

    def run(self, sentences: Sequence[Sequence[str]]) -> Tensor:
        """All layers of all tokens, sentence after sentence.

        Returns *Shape:* (n_outputs, n_tokens, width).
        """
        packing = pack([len(words) for words in sentences])
        types: dict[str, int] = {}
        token_types = [types.setdefault(w, len(types)) for w in chain.from_iterable(sentences)]
        table = self.cache.vectors(list(types))
        tokens = torch.tensor(token_types, dtype=torch.int64)
        n_layers = len(self.directions[0][1])
        width = table.shape[1]
        layers = table.new_empty(n_layers + 1, len(tokens), width * len(self.directions))
        vectors = table.index_select(0, tokens.to(table.device))
        for k in range(len(self.directions)):
            layers[0, :, k * width : (k + 1) * width] = vectors

        jobs = [
            partial(
                self._run_direction, k, vectors, packing, layers[1:, :, k * width : (k + 1) * width]
            )
            for k in range(len(self.directions))
        ]
        if table.device.type == "cpu":
            run_side_by_side(jobs)
        else:
            for job in jobs:
                job()
        return layers

    def _run_direction(
        self, direction: int, vectors: Tensor, packing: Packing, out: Tensor
    ) -> None:
        name, layers = self.directions[direction]
        rows = torch.from_numpy(packing.rows(name)).to(vectors.device)
        inputs = vectors.index_select(0, rows)
        for k, layer in enumerate(layers):
            outputs, _, _ = layer.run(inputs, packing.batch_sizes)
            if self.skip and k:
                outputs += inputs
            out[k].index_copy_(0, rows, outputs)
            inputs = outputs


def batches(lengths: Sequence[int], max_rows: int, max_tokens: int) -> list[list[int]]:
    """Sentences by length, longest first, cut into batches of at most `max_rows` sentences and
    `max_tokens` tokens (a longer sentence is a batch of its own)."""
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable").tolist()
    result: list[list[int]] = []
    tokens = 0
    for index in order:
        tokens += lengths[index]
        if not result or len(result[-1]) == max_rows or tokens > max_tokens:
            result.append([])
            tokens = lengths[index]
        result[-1].append(index)
    return result
