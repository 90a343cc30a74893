"""The recurrent state: where sentences start, and what is carried from call to call."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.config import BiLMConfig


@dataclass(frozen=True)
class State:
    """State of some rows.

    Attributes:
        h: Output of the last step. *Shape:* (n_layers, n_directions, n_rows, P).
        c: Cells of the last step. *Shape:* (n_layers, n_directions, n_rows, C).
    """

    h: Tensor
    c: Tensor

    @classmethod
    def zero(
        cls,
        config: BiLMConfig,
        n_rows: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> State:
        """All zeros."""
        shape = (config.n_layers, config.n_directions, n_rows)
        return cls(
            torch.zeros(*shape, config.projection_dim, device=device, dtype=dtype),
            torch.zeros(*shape, config.lstm_dim, device=device, dtype=dtype),
        )

    @classmethod
    def repeated(cls, h: Tensor, c: Tensor, n_rows: int) -> State:
        """One state for every row.

        Args:
            h: *Shape:* (n_layers, n_directions, P).
            c: *Shape:* (n_layers, n_directions, C).
            n_rows: Number of rows.
        """
        return cls(
            h[:, :, None].expand(-1, -1, n_rows, -1), c[:, :, None].expand(-1, -1, n_rows, -1)
        )

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.h.shape[2]


class CarriedState:
    """State handed from batch to batch by row, as AllenNLP's `_EncoderBase` keeps it.

    A smaller batch leaves the other rows' state as it was; a larger one adds rows of zeros.
    """

    def __init__(self) -> None:
        self._state: State | None = None

    def reset(self) -> None:
        """Back to no rows at all."""
        self._state = None

    def start(self, zero: State) -> State:
        """What the rows of the next batch start from.

        Args:
            zero: A state of as many rows as the batch has, for rows that are new.
        """
        kept = self._state
        if kept is None:
            return zero
        return State(_first_rows(kept.h, zero.h), _first_rows(kept.c, zero.c))

    def update(self, after: State) -> None:
        """Store what each row of a batch ended with. Gradients stop here."""
        after = State(after.h.detach().float(), after.c.detach().float())
        kept = self._state
        self._state = after
        if kept is not None and kept.n_rows > after.n_rows:
            self._state = State(_with_more(after.h, kept.h), _with_more(after.c, kept.c))


def _first_rows(kept: Tensor, fresh: Tensor) -> Tensor:
    """As many rows as `fresh` has: the kept ones, then fresh ones."""
    kept = kept[:, :, : fresh.shape[2]].to(fresh)
    return torch.cat([kept, fresh[:, :, kept.shape[2] :]], dim=2)


def _with_more(after: Tensor, kept: Tensor) -> Tensor:
    """The rows of `after`, then those that only `kept` has."""
    return torch.cat([after, kept[:, :, after.shape[2] :].to(after.device)], dim=2)
