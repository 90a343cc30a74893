"""Small corpora and configs for the tests of pretraining."""

from __future__ import annotations

import random
from collections.abc import Generator
from pathlib import Path
from typing import Any

from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.pretraining.report.log import Log
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.events import Event
from spacy_elmo.pretraining.run.loop import Trainer
from spacy_elmo.pretraining.run.state import Training

SUBJECTS = ("the cat", "a dog", "my old friend", "the river bank", "this bank")
VERBS = ("sees", "likes", "follows", "owns", "finds")
OBJECTS = ("the mouse .", "a house .", "some water near the bank .", "nothing !", "it ?")

CHAR_CNN = {"embedding_dim": 4, "filters": [[1, 4], [2, 8], [3, 8]], "n_highway": 1}
MODEL = {
    "lstm_dim": 16,
    "projection_dim": 8,
    "cell_clip": None,
    "proj_clip": None,
    "char_cnn": CHAR_CNN,
}


def sentences(number: int, seed: int = 0) -> list[str]:
    """Sentences of a tiny language, words between spaces."""
    draw = random.Random(seed)
    parts = (SUBJECTS, VERBS, OBJECTS)
    return [" ".join(draw.choice(part) for part in parts) for _ in range(number)]


def make_corpus(folder: Path, number: int = 400, seed: int = 0, **options: Any) -> Corpus:
    """Prepare a corpus of the tiny language."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "text.txt"
    text.write_text("\n".join(sentences(number, seed)) + "\n", encoding="utf8")
    prepare([text], folder / "corpus", tokenized=True, **{"min_count": 1, **options})
    return Corpus(folder / "corpus")


def config(**values: Any) -> PretrainConfig:
    """A small training config; `model` is merged into that of this file."""
    given = {
        "model": {**MODEL, **values.pop("model", {})},
        "batch_size": 8,
        "unroll_steps": 5,
        "n_negative_samples": 8,
        "warmup_steps": 5,
        "learning_rate": 0.02,
        "log_every": 5,
        "tokens": 1200,
    }
    return PretrainConfig.from_dict({**given, **values})


def new_training(corpus: Corpus, made: PretrainConfig, group: Group | None = None) -> Training:
    """A training in this process."""
    return Training(corpus, made, group or Group())


def new_trainer(
    corpus: Corpus, folder: Path, made: PretrainConfig, heldout: Corpus | None = None
) -> Trainer:
    """A trainer that writes no model."""
    return Trainer(new_training(corpus, made), folder, heldout)


def train(trainer: Trainer, log: Log | None = None) -> bool:
    """Train without the last phases. False if it was stopped before its end.

    log: What is given the events.
    """

    def events() -> Generator[Event, None, bool]:
        yield from trainer.resume()
        return (yield from trainer.train())

    return listen(events(), log)


def listen(events: Generator[Event, None, bool], log: Log | None = None) -> bool:
    """Run to the end. log: What is given the events."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return bool(end.value)
        if log is not None:
            log(event)
