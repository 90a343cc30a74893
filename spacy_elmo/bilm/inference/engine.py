"""The fast way through the network: no gradients, no padding, one thread per direction.

Same results as `Network.run` up to float32 rounding. What makes it fast:

- each word type is embedded once (`cache.py`);
- the state after the opening `<S>` (reading backwards: `</S>`) is the same for every sentence, so
  it is computed once, and the closing mark's output is thrown away, so it is not computed at all;
- sentences of like length share a batch, packed by time step (`bilm/packing.py`);
- a step is two products (`product.py`) and two passes, from gates to cells and from outputs to
  wherever they are read or kept (`bilm/kernels`);
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
from spacy_elmo.bilm.state import State
from spacy_elmo.types import Sentence

# With steps of so few rows, and weights of a layer of no more bytes, Python's lock goes from thread
# to thread more often than it is worth: one direction after the other takes half to three quarters
# of the time for a text at 512/128, two thirds to four fifths for 16. With more rows or larger
# weights it mostly takes as long or longer.
LITTLE_ROWS = 16
LITTLE_WEIGHTS = 2**22


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
        one = torch.zeros(1, dtype=torch.int64, device=marks.device)
        self.directions: list[FastDirection] = []
        for d, (name, layers) in enumerate(directions):
            fast = [FastLayer.of(layer, dtype) for layer in layers]
            outputs = marks.new_empty(len(fast) + 1, 1, marks.shape[1])
            outputs[0] = marks[d]
            before = FastDirection(name, fast, list(state.h[:, d]), list(state.c[:, d]), [])
            h, c = zip(*self._run_layers(before, outputs, one, [1]), strict=True)
            self.directions.append(FastDirection(name, fast, list(h), list(c), list(outputs[1:])))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.directions[0].layers[0].bias.device

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
        vectors = self.cache.vectors_of_text(list(chain.from_iterable(sentences)))
        n_layers = len(self.directions[0].layers)
        n_tokens, width = vectors.shape
        layers = vectors.new_empty(n_layers + 1, n_tokens, width * len(self.directions))
        jobs = [
            partial(
                self._run_direction,
                direction,
                vectors,
                packing,
                layers[..., k * width : (k + 1) * width],
            )
            for k, direction in enumerate(self.directions)
        ]
        if vectors.device.type == "cpu" and not self._is_little(len(sentences)):
            run_side_by_side(jobs)
        else:
            for job in jobs:
                job()
        return layers

    def _is_little(self, n_rows: int) -> bool:
        """Whether steps are so short that two threads spend more on waiting for each other."""
        weights = self.directions[0].layers[0].n_bytes
        return n_rows <= LITTLE_ROWS and weights <= LITTLE_WEIGHTS

    def _run_direction(
        self, direction: FastDirection, vectors: Tensor, packing: Packing, layers: Tensor
    ) -> None:
        layers[0] = vectors
        rows = torch.from_numpy(packing.rows(direction.name)).to(layers.device)
        for _ in self._run_layers(direction, layers, rows, packing.batch_sizes):
            pass

    def _run_layers(
        self, direction: FastDirection, layers: Tensor, rows: Tensor, batch_sizes: Sequence[int]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Each layer on the one below it: h and c after it of every row."""
        parts = zip(direction.layers, direction.h, direction.c, strict=True)
        for k, (layer, h, c) in enumerate(parts):
            skip = self.skip and k > 0
            yield layer.run(layers[k], layers[k + 1], rows, batch_sizes, h, c, add_inputs=skip)
