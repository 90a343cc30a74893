"""What happens in a training, told to whoever listens: the log, a progress bar, a notebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from spacy_elmo.pretraining.perplexity.exact import Perplexity


@dataclass(frozen=True)
class Started:
    """The training begins, or goes on from a checkpoint (`resumed`).

    `share` is that of the budget used up.
    """

    step: int
    tokens: int
    resumed: bool
    share: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Step:
    """Some steps were taken: the mean loss per direction since the last such event.

    `share` is that of the budget used up, `norm` that of the last gradients before clipping.
    """

    step: int
    tokens: int
    seconds: float
    share: float
    rate: float
    loss: tuple[float, ...]
    norm: float
    tokens_per_second: float


@dataclass(frozen=True)
class Advanced:
    """The training is at work: told a few times a second, and once more at its end.

    `share` is that of the budget used up.
    """

    step: int
    tokens: int
    seconds: float
    share: float


@dataclass(frozen=True)
class Measured:
    """Perplexity on held-out text: read as in training, or from a `state` ("zero" or "warm")."""

    step: int
    tokens: int
    seconds: float
    perplexity: Perplexity
    state: str | None = None


@dataclass(frozen=True)
class CheckpointWritten:
    """A checkpoint is safe on disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class RolledBack:
    """The loss was no finite number at `bad_step`: back to `step`, the rate times `factor`."""

    bad_step: int
    step: int
    factor: float


@dataclass(frozen=True)
class Phase:
    """One of the phases that follow the last step begins."""

    name: str


@dataclass(frozen=True)
class Written:
    """The model is in its folder: the end."""

    path: Path


@dataclass(frozen=True)
class Stopped:
    """A signal (its number) stopped the training; the same call goes on."""

    step: int
    signal: int = 0


@dataclass(frozen=True)
class Message:
    """Anything else worth a line."""

    text: str


Event = (
    Started
    | Advanced
    | Step
    | Measured
    | CheckpointWritten
    | RolledBack
    | Phase
    | Written
    | Stopped
    | Message
)
