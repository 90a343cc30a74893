"""The fast way through the network: no gradients, no padding, one thread per direction.

Same results as `Network.run` up to float32 rounding. What makes it fast:

- each word type is embedded once (`cache.py`);
- the state after the opening `<S>` (reading backwards: `</S>`) is the same for every sentence, so
  it is computed once, and the closing mark's output is thrown away, so it is not computed at all;
- sentences of like length share a batch, packed by time step (`bilm/packing.py`);
- a step's gates are one product into one buffer, and all its elementwise work is in place
  (`lstm.py`), with a faster tanh (`bilm/activations.py`);
- the directions never meet inside the network: each runs in its own thread, on half the cores,
  without the waiting that splitting every small operation over all cores costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from spacy_elmo.bilm.inference.cache import TokenCache
from spacy_elmo.bilm.inference.lstm import FastLayer
from spacy_elmo.bilm.inference.threads import run_side_by_side
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.bilm.packing import Packing, pack
from spacy_elmo.bilm.sentences import word_types
from spacy_elmo.bilm.state import State
from spacy_elmo.bilm.walk import walk
from spacy_elmo.types import Sentence


@dataclass(frozen=True)
class FastDirection:
    """The layers of one direction, and the state that every sentence starts from after its mark.

    Attributes:
        name: "forward" or "backward".
        layers: From the lowest to the highest.
        h: Of each layer. *Shape:* (1, P).
        c: Of each layer. *Shape:* (1, C).
        outputs: Of each layer at the mark, which skip connections make something else than `h`.
            *Shape:* (1, P).
    """

    name: str
    layers: list[FastLayer]
    h: list[Tensor]
    c: list[Tensor]
    outputs: list[Tensor]


class Engine:
    """Runs batches of sentences through a network whose weights stay as they are.

    Args:
        cache: Token-layer vectors.
        directions: Name and LSTM layers of each direction.
        state: What sentences start from: a state of one row.
        skip: Whether layers above the first add their input to their output.
        dtype: Float type of the LSTM layers' products; everything else is done in float32.
    """

    def __init__(
        self,
        cache: TokenCache,
        directions: Sequence[tuple[str, Iterable[LSTMLayer]]],
        state: State,
        *,
        skip: bool,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.cache = cache
        self.skip = skip
        self.told_not_finite = False  # said once, for these weights
        marks = cache.vectors(cache.encoder.boundaries)
        self.directions: list[FastDirection] = []
        for d, (name, layers) in enumerate(directions):
            fast = [FastLayer.of(layer, dtype) for layer in layers]
            before = FastDirection(name, fast, list(state.h[:, d]), list(state.c[:, d]), [])
            steps = list(self._walk(before, marks[d : d + 1], [1]))
            outputs, h, c = ([step[k] for step in steps] for k in range(3))
            self.directions.append(FastDirection(name, fast, h, c, outputs))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.directions[0].layers[0].weight.device

    @property
    def edges(self) -> Tensor:
        """States of the LSTM layers at the opening marks, `<S>` forwards and `</S>` backwards.

        *Shape:* (n_layers, width).
        """
        return torch.cat([torch.cat(each.outputs) for each in self.directions], dim=1)

    def run(self, sentences: Sequence[Sentence]) -> Tensor:
        """All layers of all tokens, one sentence after the other.

        Returns:
            *Shape:* (n_outputs, n_tokens, width).
        """
        packing = pack([len(words) for words in sentences])
        types, numbers = word_types(chain.from_iterable(sentences))
        table = self.cache.vectors(types)
        tokens = torch.tensor(numbers, dtype=torch.int64)
        n_layers = len(self.directions[0].layers)
        width = table.shape[1]
        layers = table.new_empty(n_layers + 1, len(tokens), width * len(self.directions))
        vectors = table.index_select(0, tokens.to(table.device))
        for k in range(len(self.directions)):
            layers[0, :, k * width : (k + 1) * width] = vectors

        jobs = [
            partial(
                self._run_direction,
                direction,
                vectors,
                packing,
                layers[1:, :, k * width : (k + 1) * width],
            )
            for k, direction in enumerate(self.directions)
        ]
        if table.device.type == "cpu":
            run_side_by_side(jobs)
        else:
            for job in jobs:
                job()
        return layers

    def _run_direction(
        self, direction: FastDirection, vectors: Tensor, packing: Packing, out: Tensor
    ) -> None:
        rows = torch.from_numpy(packing.rows(direction.name)).to(vectors.device)
        steps = self._walk(direction, vectors.index_select(0, rows), packing.batch_sizes)
        for k, (outputs, _, _) in enumerate(steps):
            out[k].index_copy_(0, rows, outputs)

    def _walk(
        self, direction: FastDirection, inputs: Tensor, batch_sizes: Sequence[int]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        def recurrence(
            layer: FastLayer, inputs: Tensor, h: Tensor, c: Tensor
        ) -> tuple[Tensor, Tensor, Tensor]:
            return layer.run(inputs, batch_sizes, h, c)

        return walk(recurrence, direction.layers, inputs, direction.h, direction.c, skip=self.skip)
