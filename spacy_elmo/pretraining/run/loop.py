"""The training run: steps, held-out perplexity, checkpoints, and a clean end in any case."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from spacy_elmo.errors import CheckpointError, DamagedCheckpoint, TrainingError
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.run import checkpoint as checkpoints
from spacy_elmo.pretraining.run.events import (
    Advanced,
    CheckpointWritten,
    Event,
    Measured,
    Message,
    RolledBack,
    Started,
    Step,
    Stopped,
)
from spacy_elmo.pretraining.run.finish import Finish, Results
from spacy_elmo.pretraining.run.heldout import heldout_perplexity
from spacy_elmo.pretraining.run.interrupt import Interrupt, Interrupted
from spacy_elmo.pretraining.run.losses import RunningLoss
from spacy_elmo.pretraining.run.protocol import TrainingState
from spacy_elmo.pretraining.run.resume import check_same_run

# After a loss that is no number, training goes on from the last checkpoint with half the rate; so
# many times without a new checkpoint in between before it gives up.
MOST_ROLLBACKS = 5
# Between two signs that it is at work.
TOLD_SECONDS = 0.4


class Trainer:
    """Runs a training and keeps its checkpoints. What happens is yielded as events.

    Args:
        training: The training.
        folder: For checkpoints and what else it keeps.
        heldout: Held-out text, its targets numbered by the same vocabulary, or None.
        interrupt: What stops it; None: nothing does.
        write: What writes the trained model and returns its path; None: it is not written.
    """

    def __init__(
        self,
        training: TrainingState,
        folder: Path,
        heldout: Corpus | None = None,
        *,
        interrupt: Interrupt | None = None,
        write: Callable[[Results], Path] | None = None,
    ) -> None:
        self.training = training
        self.config = training.config
        self.group = training.group
        self.folder = folder
        self.checkpoint_folder = folder / "checkpoints"
        self.heldout = heldout
        self.interrupt = interrupt or Interrupt()
        self.write = write
        self.n_threads = torch.get_num_threads()
        self._rollbacks = 0
        self._signal = 0  # what the first process got, in every process

    def run(self) -> Iterator[Event]:
        """The whole of it, from the newest checkpoint to the written model.

        Yields:
            What happens; a `Stopped` last if a signal came.

        Raises:
            CheckpointError: For checkpoints that are of another run or cannot be read.
            TrainingError: If the loss is no number again and again.
            OSError: If something cannot be written.
        """
        resumed = yield from self.resume()
        if not resumed and self.training.init is not None:
            yield from self.measure()
            (signal,) = self.group.agree([self.interrupt.signal])
            if signal:
                yield Stopped(self.training.step, int(signal))
                return
        finished = yield from self.train()
        if finished and self.group.leads:
            finish = Finish(self.training, self.folder, self.heldout, self.interrupt)
            try:
                yield from finish.run(self.write)
            except Interrupted:
                finished = False
        if not finished:
            yield Stopped(self.training.step, self._signal or self.interrupt.signal)

    def resume(self) -> Generator[Event, None, bool]:
        """Go on from the newest good checkpoint; False if there is none.

        Raises:
            CheckpointError: If the checkpoint is of another config, corpus or start, if there are
                checkpoints and none of them can be read, and if the processes do not find the same
                one.
        """
        resumed = yield from self._restore()
        training = self.training
        yield Started(training.step, training.tokens, resumed, training.share)
        return resumed

    def train(self) -> Generator[Event, None, bool]:
        """Train until the budget is used up. False if a signal stopped it before.

        Either way there is a checkpoint then.

        Raises:
            TrainingError: If the loss is no number again and again.
            OSError: If a checkpoint cannot be written.
        """
        (used,) = self.group.agree([self.training.share])
        if used >= 1.0:  # resumed: it was stopped in its last phases
            return True
        if not checkpoints.found(self.checkpoint_folder):
            yield from self.save()
        # On a CPU the directions run side by side and share the threads.
        share = max(1, self.n_threads // self.config.model.n_directions)
        with _threads(share):
            while (end := (yield from self._leg())) == "diverged":
                yield from self._roll_back()
            yield from self.save()
        return end == "done"

    def measure(self, max_tokens: int | None = None) -> Iterator[Event]:
        """Measure held-out perplexity, in the first process and with held-out text.

        Args:
            max_tokens: Measure about so many; None: all.
        """
        if self.heldout is None or not self.group.leads:
            return
        training = self.training
        try:
            with _threads(self.n_threads):
                found = heldout_perplexity(
                    training.lm,
                    self.config,
                    self.heldout,
                    self.interrupt,
                    max_tokens,
                    training.mean_state(),
                )
        except Interrupted:  # the loop will see to it
            return
        yield Measured(training.step, training.tokens, training.seconds, found)

    def save(self) -> Iterator[Event]:
        """Write a checkpoint.

        Raises:
            OSError: If that fails, saying what is safe.
        """
        captured = self.training.capture()
        if not self.group.leads:
            return
        step = self.training.step
        with checkpoints.saying_what_is_safe(
            f"the checkpoint of step {step}", self.checkpoint_folder
        ):
            path = checkpoints.write(self.checkpoint_folder, step, captured)
        yield CheckpointWritten(step, path)

    def _restore(self) -> Generator[Event, None, bool]:
        paths = checkpoints.found(self.checkpoint_folder)
        damaged = []
        for path in reversed(paths):
            try:
                saved = checkpoints.read(path)
            except CheckpointError as error:
                yield Message(f"{error}. Going back to the one before it.")
                if isinstance(error, DamagedCheckpoint):
                    damaged.append(path)
                continue
            check_same_run(path, saved.state, self.training)
            try:
                self.training.check(saved)
            except DamagedCheckpoint as error:
                yield Message(f"{path}: damaged: {error}. Going back to the one before it.")
                damaged.append(path)
                continue
            self.training.restore(saved)
            break
        else:
            if paths:
                advice = (
                    "remove them to begin anew"
                    if len(damaged) == len(paths)
                    else "make them readable, or train into another folder"
                )
                raise CheckpointError(
                    f"none of the checkpoints in {self.checkpoint_folder} can be read: {advice}"
                )
        (first,) = self.group.agree([self.training.step])
        if first != self.training.step:
            raise CheckpointError(
                f"{self.checkpoint_folder} of process {self.group.rank} is not that of the first "
                "process: all machines must see the same folder"
            )
        if self.group.leads:
            for path in damaged:  # or it would count as one of those that are kept
                path.replace(path.with_suffix(".damaged"))
        return bool(paths)

    def _leg(self) -> Generator[Event, None, str]:
        """Train until the budget ends: "done".

        Or a signal comes: "stopped", or the loss is no number: "diverged".
        """
        training, config = self.training, self.config
        losses = RunningLoss(overflows=training.scale is not None)
        counted = saved = evaluated = time.monotonic()
        told = 0.0
        for batch, windows in training.batches.ahead(training.step):
            # All time counts: also that of waiting for a batch, a device, or the held-out text.
            now = time.monotonic()
            training.seconds += now - counted
            counted = now
            share, stop, save, evaluate = self.group.agree(
                [
                    training.share,
                    self.interrupt.signal,
                    now - saved >= config.checkpoint_seconds,
                    now - evaluated >= config.evaluate_seconds,
                ]
            )
            if share >= 1.0 or stop or save or evaluate:
                if not losses.finite():
                    return "diverged"
                if share >= 1.0 or stop:
                    yield self._advanced(min(share, 1.0))
                    self._signal = int(stop)
                    return "done" if share >= 1.0 else "stopped"
                if evaluate:
                    yield from self.measure(config.evaluate_tokens)
                    evaluated = time.monotonic()
                if save:
                    yield from self.save()
                    self._rollbacks = 0
                    saved = time.monotonic()
            rate, before = training.rate(share), training.tokens
            summed = training.advance(batch, windows, rate)
            losses.add(*summed, training.tokens - before)
            if now - told >= TOLD_SECONDS:
                yield self._advanced(share)
                told = now
            if training.step % config.log_every == 0:
                if not losses.finite():
                    return "diverged"
                yield Step(
                    training.step, training.tokens, training.seconds, share, rate, *losses.means()
                )
        raise AssertionError("batches never end")

    def _advanced(self, share: float) -> Advanced:
        training = self.training
        return Advanced(training.step, training.tokens, training.seconds, share)

    def _roll_back(self) -> Iterator[Event]:
        self._rollbacks += 1
        training = self.training
        step, factor = training.step, training.rate_factor / 2
        if self._rollbacks > MOST_ROLLBACKS:
            raise TrainingError(
                f"the loss is no finite number at step {step}, {self._rollbacks} times in a row "
                f"and with a learning rate of {2 * factor * self.config.learning_rate:g} in the "
                "end: lower learning_rate or clip_norm. The last good checkpoint is in "
                f"{self.checkpoint_folder}"
            )
        seconds = training.seconds
        yield from self._restore()
        training.seconds = seconds  # what is undone took its time all the same
        training.rate_factor = factor
        yield RolledBack(step, training.step, factor)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Within this context PyTorch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
