"""A training on one GPU between two steps: the counterpart of `run.state.Training`.

The corpus, its words' characters and the order of an epoch stand in the device's memory; a step is
a captured graph that is started by one call. Numbers differ from those of the CPU's training by
the order of sums, by the words that are drawn, and by the optimizer (see `DeviceStep`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.characters import PADDING
from spacy_elmo.bilm.state import State
from spacy_elmo.errors import CheckpointError, TrainingError
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.gpu.distinct import DistinctTypes, long_types, measure_capacity
from spacy_elmo.pretraining.gpu.step import DeviceStep
from spacy_elmo.pretraining.gpu.stream import EpochStream
from spacy_elmo.pretraining.run.checkpoint import Checkpoint
from spacy_elmo.pretraining.run.checks import check_tensors
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.schedule import learning_rate, progress
from spacy_elmo.pretraining.run.state import COUNTERS
from spacy_elmo.pretraining.step.language_model import new_model

# Windows from whose types the room for types is measured, and steps taken before the graph is
# captured, for libraries that set themselves up in their first call.
MEASURED_WINDOWS = 8
WARM_UP_STEPS = 3


def unsupported(config: PretrainConfig, group: Group) -> str | None:
    """What keeps a training from running as a captured graph, or None if nothing does.

    Args:
        config: The training config.
        group: The processes that train together.
    """
    model = config.model
    reasons = (
        (group.world > 1, "several processes"),
        (config.order != "shuffled" or not config.same_text, "an order of its own"),
        (not config.carry_state or config.reset_probability > 0.0, "rows that start anew"),
        (config.optimizer != "adamw", "another optimizer than adamw"),
        (config.precision == "float16", "float16, whose loss has to be scaled"),
        (model.char_cnn is None, "word input"),
        (not model.lstm_projection, "layers without a projection"),
        (model.cell_clip is not None or model.proj_clip is not None, "clips"),
    )
    return next((reason for holds, reason in reasons if holds), None)


@dataclass(frozen=True)
class DeviceBatch:
    """The window of a step; its text is on the device already.

    Attributes:
        step: Number of the step.
        n_positions: Targets of one direction.
    """

    step: int
    n_positions: int


class DeviceTraining:
    """Model, optimizer, text and LSTM states of a training on one device.

    Args:
        corpus: The text.
        config: A training config for which `unsupported` finds nothing.
        group: This process, with its device.
        lm: Weights to start from, with a softmax over the corpus's vocabulary; None: random ones.
        init: What these weights are called.
    """

    scale = None

    def __init__(
        self,
        corpus: Corpus,
        config: PretrainConfig,
        group: Group,
        lm: BiLM | None = None,
        *,
        init: str | None = None,
    ) -> None:
        self.corpus, self.config, self.group, self.init = corpus, config, group, init
        device = group.device
        if lm is None:
            lm = new_model(config.model, corpus.vocabulary, seed=config.seed)
        self.lm = lm.to(device)
        stream = EpochStream(
            corpus,
            config.batch_size,
            config.unroll_steps,
            config.model.n_directions,
            config.seed,
            device,
        )
        stream.lay_out(0)
        assert config.model.char_cnn is not None
        characters = torch.from_numpy(corpus.characters[:].astype("int16")).to(device)
        widest = max(width for width, _ in config.model.char_cnn.filters)
        is_long = long_types(characters, PADDING, widest)
        every = max(1, stream.n_windows // MEASURED_WINDOWS)
        sample = [
            stream.window(torch.tensor(number, device=device))[0]
            for number in range(0, stream.n_windows, every)
        ]
        distinct = DistinctTypes(is_long, measure_capacity(sample, is_long))
        self.stream = stream
        self.device_step = DeviceStep(self.lm, config, stream, distinct, characters)
        self._graph: torch.cuda.CUDAGraph | None = None
        self.tokens_per_epoch = stream.n_windows * self.device_step.n_positions
        self.step = 0
        self.tokens = 0
        self.seconds = 0.0
        self.rate_factor = 1.0
        torch.manual_seed(config.seed)
        self._capture_graph()

    def _capture_graph(self) -> None:
        """Record a step, without a trace of the steps that this takes."""
        if self.group.device.type != "cuda":
            return
        step = self.device_step
        kept = self._tensors()
        kept = {name: tensor.clone() for name, tensor in kept.items()}
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        self._graph = graph
        with torch.no_grad():
            for name, tensor in self._tensors().items():
                # What the optimizer made in its first step was zero before it.
                tensor.copy_(kept[name]) if name in kept else tensor.zero_()
        step.window.zero_()

    @property
    def share(self) -> float:
        """How much of the budget is used up."""
        return progress(self.config, self.tokens, self.seconds, self.tokens_per_epoch)

    @property
    def batches(self) -> DeviceTraining:
        """Who makes the batches: the training itself."""
        return self

    def ahead(self, first: int) -> Iterator[tuple[DeviceBatch, dict[str, Any]]]:
        """The batches from a step on, without end."""
        while True:
            yield DeviceBatch(first, self.device_step.n_positions), {}
            first += 1

    def rate(self, share: float) -> float:
        """Learning rate of the next step.

        Args:
            share: Of the budget.
        """
        return self.rate_factor * learning_rate(self.config, self.step, share)

    def advance(
        self, batch: DeviceBatch, windows: dict[str, Any], rate: float
    ) -> tuple[Tensor, Tensor]:
        """Take one step.

        Returns:
            The loss summed over the positions of each direction, and the norm of the gradients
            before clipping, both on the device.

        Raises:
            TrainingError: At an epoch's end, if windows held more types than there is room for.
        """
        epoch, window = divmod(batch.step, self.stream.n_windows)
        step = self.device_step
        if epoch != self.stream.epoch:
            self._check_room()
            self.stream.lay_out(epoch)
            step.window.fill_(window)
        step.rate.fill_(rate)
        if self._graph is None:
            step()
        else:
            self._graph.replay()
        self.step += 1
        self.tokens += batch.n_positions
        return step.losses.clone(), step.norm.clone()

    def mean_state(self) -> State:
        """The mean over the rows of the states that they have reached: one row."""
        h, c = (
            part.float().mean(dim=2, keepdim=True).transpose(0, 1)
            for part in (self.device_step.h, self.device_step.c)
        )
        return State(h, c)

    def _check_room(self) -> None:
        missing = int(self.device_step.distinct.missing)
        if missing > 0:
            raise TrainingError(
                f"a window had {missing} distinct words more than were found in a sample of the "
                "corpus: lower batch_size"
            )

    def _tensors(self) -> dict[str, Tensor]:
        """All that training changes, by the name it has in a checkpoint."""
        step = self.device_step
        tensors: dict[str, Tensor] = {"lstm.h": step.h, "lstm.c": step.c}
        for name, parameter in self.lm.named_parameters():
            tensors[f"model.{name}"] = parameter
            state = step.optimizer.state.get(parameter, {})
            for part, value in state.items():
                tensors[f"adamw.{part}.{name}"] = value
        return tensors

    def capture(self) -> Checkpoint:
        """All of it, as tensors on the CPU and JSON values."""
        self._check_room()
        saved = {
            name: value.detach().to("cpu", copy=True) for name, value in self._tensors().items()
        }
        saved["random"] = torch.random.get_rng_state()
        if self.group.device.type == "cuda":
            saved["random.cuda"] = torch.cuda.get_rng_state(self.group.device)
        values = {name: getattr(self, name) for name in COUNTERS}
        values |= {
            "kind": "device",
            "config": self.config.to_dict(),
            "corpus": self.corpus.meta,
            "init": self.init,
        }
        return Checkpoint({name: value.contiguous() for name, value in saved.items()}, values)

    def check(self, saved: Checkpoint) -> None:
        """Check that `restore` finds all that it needs.

        Raises:
            DamagedCheckpoint: If something is missing or of another shape.
            CheckpointError: For a checkpoint of the CPU's training, whose optimizer is another.
        """
        if saved.state.get("kind") != "device":
            raise CheckpointError(
                "this checkpoint was made by the CPU's training: go on with it there, or start "
                "from its weights with --init"
            )
        like = self._tensors() | {"random": torch.random.get_rng_state()}
        expected = {name: (tuple(value.shape), value.dtype) for name, value in like.items()}
        check_tensors(saved.tensors, expected)

    @torch.no_grad()
    def restore(self, saved: Checkpoint) -> None:
        """Stand where a checkpoint of the same config and corpus was made, one that is checked."""
        tensors = saved.tensors
        optimizer = self.device_step.optimizer
        for name, parameter in self.lm.named_parameters():
            state = optimizer.state[parameter]
            for part in ("step", "exp_avg", "exp_avg_sq"):
                value = tensors.get(f"adamw.{part}.{name}")
                if value is not None and part not in state:
                    state[part] = value.to(parameter.device if part != "step" else "cpu").clone()
        for name, tensor in self._tensors().items():
            tensor.copy_(tensors[name])
        torch.random.set_rng_state(tensors["random"])
        if self.group.device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.group.device)
        for name in COUNTERS:
            setattr(self, name, saved.state[name])
        epoch, window = divmod(self.step, self.stream.n_windows)
        self.stream.lay_out(epoch)
        self.device_step.window.fill_(window)
