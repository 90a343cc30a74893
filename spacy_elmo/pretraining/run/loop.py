"""The training run: steps, log, held-out perplexity, checkpoints, and a clean end in any case."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from spacy_elmo.errors import CheckpointError, DamagedCheckpoint, TrainingError
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.perplexity.exact import (
    Perplexity,
    running_perplexity,
    sentence_perplexity,
    some_sentences,
)
from spacy_elmo.pretraining.report.metrics import Meter, describe, perplexity_of, time_left
from spacy_elmo.pretraining.report.progress import Log, Progress
from spacy_elmo.pretraining.run import checkpoint as checkpoints
from spacy_elmo.pretraining.run.interrupt import Interrupt
from spacy_elmo.pretraining.run.resume import check_same_run
from spacy_elmo.pretraining.run.state import Training

# After a loss that is no number, training goes on from the last checkpoint with half the rate; so
# many times without a new checkpoint in between before it gives up.
MOST_ROLLBACKS = 5


class Trainer:
    """Runs a training and keeps its files.

    training: The training. folder: For checkpoints and log.
    heldout: Held-out text, its targets numbered by the same vocabulary, or None.
    progress: Where to tell what is going on.
    """

    def __init__(
        self, training: Training, folder: Path, heldout: Corpus | None, progress: Progress
    ) -> None:
        self.training = training
        self.config = training.config
        self.group = training.group
        self.folder = folder
        self.checkpoint_folder = folder / "checkpoints"
        self.heldout = heldout
        self.progress = progress
        self.n_threads = torch.get_num_threads()
        self._log: Log | None = None
        self._log_from = training.step
        self._rollbacks = 0
        self._heldout_shown: dict[str, str] = {}

    # --- files

    def log(self, entry: dict[str, Any]) -> None:
        """Add an entry to the log, in the first process."""
        if not self.group.leads:
            return
        training = self.training
        seconds = round(training.seconds, 1)
        whole = {"step": training.step, "tokens": training.tokens, "seconds": seconds, **entry}
        with self.writing("the log"):
            if self._log is None:
                self._log = Log(self.folder / "log.jsonl", self._log_from)
            self._log.write(whole)

    def save(self) -> None:
        """Write a checkpoint. Raises OSError, saying what is safe, if that fails."""
        captured = self.training.capture()
        if not self.group.leads:
            return
        step = self.training.step
        with self.writing(f"the checkpoint of step {step}"):
            checkpoints.write(self.checkpoint_folder, step, captured)

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Within this context an OSError says what could not be written, and what is safe."""
        try:
            yield
        except OSError as error:
            good = checkpoints.found(self.checkpoint_folder)
            kept = f"the last good checkpoint is {good[-1]}" if good else "there is no checkpoint"
            raise OSError(
                f"cannot write {what} ({error}); {kept}. Make room and run the same command again "
                "to go on from there"
            ) from error

    def resume(self) -> bool:
        """Go on from the newest good checkpoint; False if there is none.

        Raises CheckpointError if the checkpoint is of another config, corpus or start, if there are
        checkpoints and none of them can be read, and if the processes do not find the same one.
        """
        paths = checkpoints.found(self.checkpoint_folder)
        damaged = []
        for path in reversed(paths):
            try:
                saved = checkpoints.read(path)
            except CheckpointError as error:
                self.progress.say(f"{error}. Going back to the one before it.")
                if isinstance(error, DamagedCheckpoint):
                    damaged.append(path)
                continue
            check_same_run(path, saved.state, self.training)
            self.training.restore(saved)
            self._log, self._log_from = None, self.training.step
            break
        else:
            if paths:
                raise CheckpointError(
                    f"none of the checkpoints in {self.checkpoint_folder} can be read: remove them "
                    "to begin anew"
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

    # --- the run

    def run(self) -> bool:
        """Train until the budget is used up. False if a signal stopped it before.

        Either way there is a checkpoint then. Raises TrainingError if the loss is no number again
        and again, OSError if a checkpoint cannot be written.
        """
        if not checkpoints.found(self.checkpoint_folder):
            self.save()
        # On a CPU the directions run side by side and share the threads.
        share = max(1, self.n_threads // self.config.model.n_directions)
        with Interrupt() as interrupt, _threads(share):
            while (end := self._leg(interrupt)) == "diverged":
                self._roll_back()
            self.save()
        self.progress.close()
        return end == "done"

    def _leg(self, interrupt: Interrupt) -> str:
        """Train until the budget ends ("done"), a signal comes ("stopped") or the loss is no
        number ("diverged")."""
        training, config = self.training, self.config
        meter = Meter(overflows=training.scale is not None)
        counted = saved = evaluated = time.monotonic()
        for batch, windows in training.batches.ahead(training.step):
            # All time counts: also that of waiting for a batch, a device, or the held-out text.
            now = time.monotonic()
            training.seconds += now - counted
            counted = now
            share, stop, save, evaluate = self.group.agree(
                [
                    training.share,
                    interrupt.received,
                    now - saved >= config.checkpoint_seconds,
                    now - evaluated >= config.evaluate_seconds,
                ]
            )
            if share >= 1.0 or stop or save or evaluate:
                if not meter.finite():
                    return "diverged"
                if share >= 1.0 or stop:
                    return "done" if share >= 1.0 else "stopped"
                if evaluate:
                    self.evaluate(config.evaluate_tokens)
                    evaluated = time.monotonic()
                if save:
                    self.save()
                    self._rollbacks = 0
                    saved = time.monotonic()
            rate = training.rate(share)
            meter.add(*training.advance(batch, windows, rate), batch.n_positions)
            if training.step % config.log_every == 0:
                if not meter.finite():
                    return "diverged"
                self._report({**meter.report(), "rate": rate, "share": round(share, 5)})
        raise AssertionError("batches never end")

    def _report(self, entry: dict[str, Any]) -> None:
        self.log(entry)
        training, share = self.training, entry["share"]
        self.progress.update(
            share,
            training.step,
            {
                "tokens": f"{training.tokens:,}",
                "tokens/s": f"{entry['tokens_per_second']:,}",
                "perplexity (sampled)": f"{perplexity_of(entry['loss']):.1f}",
                **self._heldout_shown,
                "left": time_left(training.seconds, share),
            },
        )

    def _roll_back(self) -> None:
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
        self.resume()
        training.seconds = seconds  # what is undone took its time all the same
        training.rate_factor = factor
        self.progress.say(
            f"The loss is no finite number at step {step}: back to step {training.step}, and on "
            f"from there with {factor:g} times the learning rate"
        )

    # --- held-out text

    def evaluate(self, max_tokens: int | None = None) -> Perplexity | None:
        """Measure and log held-out perplexity, in the first process and with held-out text.

        max_tokens: Measure about so many; None: all.
        """
        if self.heldout is None or not self.group.leads:
            return None
        found = self.heldout_perplexity(max_tokens)
        self.log(
            {
                "heldout": [round(value, 3) for value in found.directions],
                "heldout_average": round(found.average, 3),
            }
        )
        self._heldout_shown = {"held-out": f"{found.average:.1f}"}
        training = self.training
        self.progress.say(f"step {training.step}, {training.tokens:,} tokens: {describe(found)}")
        return found

    def heldout_perplexity(self, max_tokens: int | None = None) -> Perplexity:
        """Perplexity on the held-out text: read on and on where the training carries its state,
        else sentence by sentence."""
        assert self.heldout is not None
        with _threads(self.n_threads):
            if self.config.carry_state:
                return running_perplexity(self.training.lm, self.heldout, max_tokens=max_tokens)
            return sentence_perplexity(self.training.lm, some_sentences(self.heldout, max_tokens))


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Within this context PyTorch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
