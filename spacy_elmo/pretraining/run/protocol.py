"""What the loop needs of a training, whatever computes its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.state import State
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.run.checkpoint import Checkpoint
from spacy_elmo.pretraining.run.distributed import Group


class BatchSource(Protocol):
    """An endless source of batches, of whatever kind the training reads."""

    def ahead(self, first: int) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Batches from a step on, each with the state of the source after it."""
        ...


class TrainingState(Protocol):
    """A training between two steps.

    Attributes:
        lm: The model, which may be read at any time between two steps.
        config: The training config.
        corpus: The text.
        group: The processes that train together.
        init: What the weights it started from are called; None: random ones.
        step: Steps taken.
        tokens: Tokens predicted.
        seconds: Time spent, which the loop counts.
        rate_factor: A factor of the learning rate, which the loop halves at every roll-back.
    """

    lm: BiLM
    config: PretrainConfig
    corpus: Corpus
    group: Group
    init: str | None
    step: int
    tokens: int
    seconds: float
    rate_factor: float

    @property
    def batches(self) -> BatchSource:
        """Where batches come from; another one after `restore`."""
        ...

    @property
    def scale(self) -> object | None:
        """The scale of the loss, or None where gradients cannot overflow."""
        ...

    @property
    def share(self) -> float:
        """How much of the budget is used up."""
        ...

    def mean_state(self) -> State:
        """The mean over the rows of the states that they have reached: one row."""
        ...

    def rate(self, share: float) -> float:
        """Learning rate of the next step, at a share of the budget."""
        ...

    def advance(self, batch: Any, windows: dict[str, Any], rate: float) -> tuple[Tensor, Tensor]:
        """Take one step; the loss summed over each direction's positions, and the norm."""
        ...

    def capture(self) -> Checkpoint:
        """All of it. All processes must call it."""
        ...

    def check(self, saved: Checkpoint) -> None:
        """Check that `restore` finds all that it needs.

        Raises:
            DamagedCheckpoint: If something is missing or of another shape.
            CheckpointError: For a checkpoint of another kind of training.
        """
        ...

    def restore(self, saved: Checkpoint) -> None:
        """Stand where a checkpoint of the same config and corpus was made, one that is checked."""
        ...
