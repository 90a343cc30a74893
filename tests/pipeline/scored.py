"""A small language model with a softmax, and pipelines that keep contexts and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from spacy_elmo.bilm import BiLM
from spacy_elmo.pipeline import factory  # noqa: F401  (registers the factory)
from tests.bilm.scoring.models import with_softmax
from tests.tiny import tiny_lm

TEXT = "They sat on the river bank.  The bank raised its rates."
WORDS = ["<S>", "</S>", "<UNK>", "the", ".", "The", "bank", "river", "raised", "sat", "on", "They"]


def scored_weights(path: Path, **changes: object) -> Path:
    """A native directory with a softmax."""
    with_softmax(tiny_lm(**changes), WORDS).save(path)
    return path


def scored_nlp(weights: Path, **config: Any) -> Language:
    """A pipeline that finds sentences, and keeps contexts and scores."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    settings = {"context": True, "score": True, **config}
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, **settings})
    return nlp


def lm_of(nlp: Language) -> BiLM:
    """The language model of a pipeline."""
    lm: BiLM = nlp.get_pipe("elmo").model.shims[0].lm  # type: ignore[attr-defined]
    return lm
