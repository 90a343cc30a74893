"""The recurrent state: where sentences start, and what is carried from call to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.vocabulary import BOS_WORD, EOS_WORD

if TYPE_CHECKING:
    from spacy_elmo.bilm.bilm import BiLM

# (layer, direction, sentences in packed order, their last h, their last c)
LayerEnd = tuple[int, int, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class State:
    """State of some rows. h: *Shape:* (n_layers, n_directions, n_rows, P). c: with C for P."""

    h: Tensor
    c: Tensor

    @classmethod
    def zero(
        cls, config: BiLMConfig, n_rows: int, device: torch.device, dtype: torch.dtype
    ) -> State:
        """All zeros."""
        shape = (config.n_layers, config.n_directions, n_rows)
        return cls(
            torch.zeros(*shape, config.projection_dim, device=device, dtype=dtype),
            torch.zeros(*shape, config.lstm_dim, device=device, dtype=dtype),
        )

    @classmethod
    def repeated(cls, h: Tensor, c: Tensor, n_rows: int) -> State:
        """One state for every row. h: *Shape:* (n_layers, n_directions, P). c: with C for P."""
        return cls(
            h[:, :, None].expand(-1, -1, n_rows, -1), c[:, :, None].expand(-1, -1, n_rows, -1)
        )


class CarriedState:
    """State handed from batch to batch by row, as AllenNLP's `_EncoderBase` keeps it.

    A smaller batch leaves the other rows' state as it was; a larger one adds rows of zeros.
    """

    def __init__(self, config: BiLMConfig) -> None:
        self.config = config
        self._state: State | None = None

    def reset(self) -> None:
        """Back to no rows at all."""
        self._state = None

    def state(self, n_rows: int, device: torch.device) -> State:
        """State of the first `n_rows` rows."""
        kept = self._grown(n_rows, device)
        return State(kept.h[:, :, :n_rows], kept.c[:, :, :n_rows])

    def update(self, ends: Sequence[LayerEnd], n_rows: int) -> None:
        """Store what each row ended with. Gradients stop here."""
        kept = self._grown(n_rows, ends[0][3].device)
        h, c = kept.h.clone(), kept.c.clone()
        for layer, direction, order, last_h, last_c in ends:
            h[layer, direction, order] = last_h.detach()
            c[layer, direction, order] = last_c.detach()
        self._state = State(h, c)

    def _grown(self, n_rows: int, device: torch.device) -> State:
        dtype = torch.float32
        kept = self._state
        if kept is None:
            return State.zero(self.config, n_rows, device, dtype)
        missing = n_rows - kept.h.shape[2]
        kept = State(kept.h.to(device), kept.c.to(device))
        if missing <= 0:
            return kept
        more = State.zero(self.config, missing, device, kept.h.dtype)
        return State(torch.cat([kept.h, more.h], 2), torch.cat([kept.c, more.c], 2))


def mean_state(lm: BiLM, sentences: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
    """Mean state after each sentence of running text, read once from a zero state.

    Returns h, *Shape:* (n_layers, n_directions, P), and c, with C for P.
    """
    config = lm.config
    state = State.zero(config, 1, lm.device, torch.float32)
    h, c = state.h[:, :, 0], state.c[:, :, 0]
    for d, (name, layers) in enumerate(zip(config.directions, lm._layers(), strict=True)):
        forward = name == "forward"
        mark = BOS_WORD if forward else EOS_WORD
        # Backwards the stream runs from the last sentence's end to the first one's beginning.
        text = sentences if forward else [list(reversed(words)) for words in reversed(sentences)]
        rows = [[mark, *words] for words in text]
        types = {word: k for k, word in enumerate(dict.fromkeys(w for row in rows for w in row))}
        table = lm.token_encoder(lm.token_encoder.word_ids(list(types)).to(lm.device))
        tokens = torch.tensor([types[word] for row in rows for word in row], device=lm.device)
        inputs = table[tokens]
        ends = torch.tensor([len(row) for row in rows]).cumsum(0).tolist()
        for k, layer in enumerate(layers):
            row_h, row_c = h[k, d : d + 1].clone(), c[k, d : d + 1].clone()
            start = 0
            outputs = []
            for end in ends:
                result, row_h, row_c = layer(inputs[start:end], [1] * (end - start), row_h, row_c)
                outputs.append(result)
                h[k, d] += row_h[0] / len(rows)
                c[k, d] += row_c[0] / len(rows)
                start = end
            joined = torch.cat(outputs)
            inputs = joined + inputs if k and config.use_skip_connections else joined
    return h, c
