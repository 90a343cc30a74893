"""The phases after the last step: perplexity, initial state, mean vector, and writing the model.

Each follows from the weights of the last checkpoint, so that a run killed in one of them does it
again and comes to the same end. What takes long, the perplexities, is kept in a file meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from spacy_elmo.files import write_text
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.perplexity.exact import (
    Perplexity,
    sentence_perplexity,
    some_sentences,
)
from spacy_elmo.pretraining.run import checkpoint as checkpoints
from spacy_elmo.pretraining.run.events import Event, Measured, Phase, Written
from spacy_elmo.pretraining.run.heldout import heldout_perplexity
from spacy_elmo.pretraining.run.interrupt import Interrupt
from spacy_elmo.pretraining.run.protocol import TrainingState

INITIAL_STATE = "initial state"

# Sentences of the training text from which the warm state is computed.
WARM_SENTENCES = 500
# Words, from all over the text, whose mean vector is stored with the model.
MEAN_WORDS = 20_000


@dataclass(frozen=True)
class Results:
    """What was found out about a trained model.

    Attributes:
        heldout: Perplexity on all held-out text, read as in training; None: there is none.
        sentences: Perplexity on some held-out sentences, by the state they start from.
        mean_words: Words whose mean vector the model carries.
        mean_text: Where they are from.
    """

    heldout: Perplexity | None
    sentences: dict[str, Perplexity]
    mean_words: int
    mean_text: str


class Finish:
    """Runs the last phases of a training.

    Args:
        training: A training at the end of its budget, its last checkpoint written.
        folder: That of the training, with its checkpoints.
        heldout: Held-out text, or None.
        interrupt: What stops it between and inside phases.
    """

    def __init__(
        self, training: TrainingState, folder: Path, heldout: Corpus | None, interrupt: Interrupt
    ) -> None:
        self.training = training
        self.heldout = heldout
        self.interrupt = interrupt
        self.path = folder / "final.json"
        self.measured: dict[str, Perplexity] = {}
        newest = checkpoints.found(folder / "checkpoints")
        # Perplexities are those of these weights, on this text.
        self.of: dict[str, Any] = {
            "checkpoint": checkpoints.checksum(newest[-1]) if newest else None,
            "heldout": None if heldout is None else heldout.meta,
            "evaluate_tokens": training.config.evaluate_tokens,
        }

    def run(self, write: Callable[[Results], Path] | None = None) -> Iterator[Event]:
        """Run the phases.

        Args:
            write: What writes the model and returns its path; None: nothing is written.

        Yields:
            What happens.

        Raises:
            Interrupted: If a signal came.
        """
        self.measured = self._kept()
        if self.heldout is not None:
            yield Phase("perplexity on held-out text")
            yield from self._measure("training", self._as_in_training)
        yield Phase(INITIAL_STATE)
        yield from self.choose_initial_state()
        yield Phase("mean vector")
        mean_words, mean_text = self.measure_mean()
        self.interrupt.check()
        if write is not None:
            yield Phase("writing the model")
            sentences = {k: found for k, found in self.measured.items() if k != "training"}
            found = self.measured.get("training")
            yield Written(write(Results(found, sentences, mean_words, mean_text)))

    def choose_initial_state(self) -> Iterator[Event]:
        """Give the model the initial state that fits it, by held-out perplexity.

        A model whose rows always started from zero keeps "zero". Where the state was carried on,
        the warm state is computed from the training text and kept if it predicts held-out sentences
        better.
        """
        lm, config = self.training.lm, self.training.config
        lm.initial_state = "zero"
        if self.heldout is not None:
            yield from self._measure("zero", partial(self._sentences, "zero"))
        if not config.carry_state:
            return
        sentences = islice(self.training.corpus.words(), WARM_SENTENCES)
        lm.warm_up(self.interrupt.watch(sentences))
        if self.heldout is not None:
            yield from self._measure("warm", partial(self._sentences, "warm"))
            if self.measured["zero"].average <= self.measured["warm"].average:
                lm.initial_state = "zero"
        elif config.reset_probability > 0.0:
            lm.initial_state = "zero"

    def measure_mean(self) -> tuple[int, str]:
        """Give the model the mean vector of held-out text, or else of its training text.

        Returns:
            The number of words, and which text they are from.
        """
        corpus = self.training.corpus if self.heldout is None else self.heldout
        n_words = 0

        def counted() -> Iterator[list[str]]:
            nonlocal n_words
            for words in self.interrupt.watch(some_sentences(corpus, MEAN_WORDS)):
                n_words += len(words)
                yield words

        self.training.lm.measure_mean(counted())
        return n_words, "training" if self.heldout is None else "held-out"

    def _as_in_training(self) -> Perplexity:
        assert self.heldout is not None
        lm, config = self.training.lm, self.training.config
        start = self.training.mean_state()
        return heldout_perplexity(lm, config, self.heldout, self.interrupt, start=start)

    def _sentences(self, initial_state: str) -> Perplexity:
        assert self.heldout is not None
        sentences = some_sentences(self.heldout, self.training.config.evaluate_tokens)
        return sentence_perplexity(
            self.training.lm, self.interrupt.watch(sentences), initial_state=initial_state
        )

    def _measure(self, name: str, measure: Callable[[], Perplexity]) -> Iterator[Event]:
        self.interrupt.check()
        if name not in self.measured:
            self.measured[name] = measure()
            values = {key: asdict(found) for key, found in self.measured.items()}
            write_text(self.path, json.dumps({"of": self.of, "perplexity": values}))
        training = self.training
        yield Measured(
            training.step,
            training.tokens,
            training.seconds,
            self.measured[name],
            None if name == "training" else name,
        )

    def _kept(self) -> dict[str, Perplexity]:
        """What an earlier call found out before it was stopped."""
        try:
            kept = json.loads(self.path.read_text("utf8"))
            if kept["of"] != self.of:
                return {}
            return {
                name: Perplexity(**{**found, "directions": tuple(found["directions"])})
                for name, found in kept["perplexity"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
