"""A training between two steps: all it consists of; one step on; to and from a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.state import State
from spacy_elmo.errors import CheckpointError, DamagedCheckpoint
from spacy_elmo.pretraining.batches.batches import Batches, TrainingBatch
from spacy_elmo.pretraining.batches.running import TextPositions
from spacy_elmo.pretraining.batches.windows import make_windows
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.run.checkpoint import Checkpoint
from spacy_elmo.pretraining.run.checks import check_tensors, check_values
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.schedule import learning_rate, progress
from spacy_elmo.pretraining.step.gradients import StepGradients, Stepper
from spacy_elmo.pretraining.step.language_model import (
    LayerStates,
    dense_parameters,
    new_model,
    tables,
    tie,
)
from spacy_elmo.pretraining.step.optimizer import Optimizer
from spacy_elmo.pretraining.step.precision import LossScale

COUNTERS = ("step", "tokens", "seconds", "rate_factor")


class Training:
    """Model, optimizer, position in the text and LSTM states of a training.

    Args:
        corpus: The text.
        config: The training config; with word input, `n_words` becomes the corpus's.
        group: The processes that train together.
        lm: Weights to start from, with a softmax over the corpus's vocabulary; None: random ones.
        init: What these weights are called.

    Attributes:
        step: Steps taken.
        tokens: Tokens predicted.
        seconds: Time spent.
        rate_factor: A factor of the learning rate, halved at every roll-back.
    """

    def __init__(
        self,
        corpus: Corpus,
        config: PretrainConfig,
        group: Group,
        lm: BiLM | None = None,
        *,
        init: str | None = None,
    ) -> None:
        if config.model.char_cnn is None:
            config = replace(config, model=replace(config.model, n_words=corpus.n_vocabulary))
        self.corpus = corpus
        self.config = config
        self.group = group
        self.init = init
        self.tokens_per_epoch = TextPositions(corpus).n_positions
        tied = config.share_embedding_softmax
        if lm is None:
            lm = new_model(config.model, corpus.vocabulary, tied=tied, seed=config.seed)
        self.lm = lm.to(group.device)
        if tied:  # moving to a device may have parted them
            tie(self.lm)
        self.optimizer = Optimizer(config, dense_parameters(self.lm), tables(self.lm))
        self.scale = LossScale(group.device) if config.precision == "float16" else None
        self.stepper = Stepper(self.lm, config, group.rank)
        self.batches = Batches(corpus, config, group)
        self.windows = self.batches.windows.state()
        n_rows = len(range(config.batch_size)[group.rows(config.batch_size)])
        self.states = [LayerStates.zero(self.lm, n_rows) for _ in range(config.model.n_directions)]
        self.step = 0
        self.tokens = 0
        self.seconds = 0.0
        self.rate_factor = 1.0

    @property
    def share(self) -> float:
        """How much of the budget is used up."""
        return progress(self.config, self.tokens, self.seconds, self.tokens_per_epoch)

    def rate(self, share: float) -> float:
        """Learning rate of the next step.

        Args:
            share: How much of the budget is used up, as all processes see it.
        """
        return self.rate_factor * learning_rate(self.config, self.step, share)

    def advance(
        self, batch: TrainingBatch, windows: dict[str, Any], rate: float
    ) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            batch: What to read.
            windows: State of the batches' source after this batch.
            rate: The learning rate.

        Returns:
            The loss summed over the positions of each direction, and the norm of the gradients
            before clipping, both on the device.
        """
        gradients = self.stepper(batch, self.states, self.step, self.scale)
        norm = self._combine(gradients)
        self.optimizer.step(gradients.dense, gradients.rows, rate)
        self.states, self.windows = gradients.states, windows
        self.step += 1
        self.tokens += batch.n_positions
        return gradients.losses, norm

    def mean_state(self) -> State:
        """The mean over the rows of this process of the states that they have reached: one row."""
        h, c = (
            torch.stack([part.mean(dim=2) for part in parts], dim=1).unsqueeze(2)
            for parts in ([each.h for each in self.states], [each.c for each in self.states])
        )
        return State(h, c)

    def _combine(self, gradients: StepGradients) -> Tensor:
        """Add up the processes' gradients and clip them in place; their norm before is returned."""
        values = [*gradients.dense.values(), *(value for _, value in gradients.rows.values())]
        self.group.add([*values, gradients.losses])
        if self.scale is not None:
            self.scale.unscale(values)
        norm = torch.nn.utils.get_total_norm(values)
        if self.config.clip_norm:
            factor = self.config.clip_norm / norm.clamp(min=self.config.clip_norm)
            torch._foreach_mul_(values, factor)
        return norm

    def capture(self) -> Checkpoint:
        """All of it, as tensors on the CPU and JSON values. All processes must call it."""
        tensors: dict[str, Tensor] = {}
        tensors |= {f"model.{name}": value for name, value in self.lm.named_parameters()}
        tensors |= {f"optimizer.{name}": value for name, value in self.optimizer.state.items()}
        for number, state in enumerate(self.states):
            tensors[f"lstm.{number}.h"] = self.group.gather_rows(state.h)
            tensors[f"lstm.{number}.c"] = self.group.gather_rows(state.c)
        if self.scale is not None:
            tensors |= {"scale.value": self.scale.value, "scale.good_steps": self.scale.good_steps}
        values = {name: getattr(self, name) for name in COUNTERS}
        values |= {
            "optimizer_steps": self.optimizer.steps,
            "windows": self.windows,
            "config": self.config.to_dict(),
            "corpus": self.corpus.meta,
            "init": self.init,
        }
        saved = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        return Checkpoint(saved, values)

    def check(self, saved: Checkpoint) -> None:
        """Check that `restore` finds all that it needs.

        Raises:
            DamagedCheckpoint: If something is missing or of another shape.
            CheckpointError: For a checkpoint of a training as one graph on a GPU.
        """
        if saved.state.get("kind") == "device":
            raise CheckpointError(
                "this checkpoint was made by a training as one graph on a GPU: go on with it "
                "there, or start from its weights with --init"
            )
        check_values(saved.state, ("optimizer_steps",))
        like: dict[str, Tensor] = dict(self.lm.named_parameters(prefix="model"))
        like |= {f"optimizer.{name}": value for name, value in self.optimizer.state.items()}
        if self.scale is not None:
            like |= {"scale.value": self.scale.value, "scale.good_steps": self.scale.good_steps}
        expected = {name: (tuple(value.shape), value.dtype) for name, value in like.items()}
        for number, state in enumerate(self.states):
            for part, value in (("h", state.h), ("c", state.c)):
                name = f"lstm.{number}.{part}"
                n_rows = self.config.batch_size
                found = saved.tensors.get(name)
                if not self.config.carry_state and found is not None and found.dim():
                    # Of the last batch, which had as many rows as it had sentences.
                    n_rows = found.size(-1)
                expected[name] = ((*value.shape[:2], n_rows), value.dtype)
        check_tensors(saved.tensors, expected)
        windows = make_windows(self.corpus, self.config)
        try:
            windows.restore(saved.state["windows"])
            windows.next()
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise DamagedCheckpoint(f"its place in the text is none ({error})") from error

    @torch.no_grad()
    def restore(self, saved: Checkpoint) -> None:
        """Stand where a checkpoint of the same config and corpus was made, one that is checked."""
        tensors, values = saved.tensors, saved.state
        for name, parameter in self.lm.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
        for name, tensor in self.optimizer.state.items():
            tensor.copy_(tensors[f"optimizer.{name}"])
        self.optimizer.steps = values["optimizer_steps"]
        if self.scale is not None:
            self.scale.value.copy_(tensors["scale.value"])
            self.scale.good_steps.copy_(tensors["scale.good_steps"])
        mine = self.group.rows(self.config.batch_size)
        h, c = (
            [
                tensors[f"lstm.{number}.{part}"][:, :, mine].to(self.group.device).contiguous()
                for number in range(len(self.states))
            ]
            for part in ("h", "c")
        )
        self.states = [LayerStates(*pair) for pair in zip(h, c, strict=True)]
        # Anew: batches made ahead have moved the old ones on.
        self.batches = Batches(self.corpus, self.config, self.group)
        self.windows = values["windows"]
        self.batches.windows.restore(self.windows)
        for name in COUNTERS:
            setattr(self, name, values[name])
