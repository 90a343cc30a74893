"""Held-out text as a training is measured on it."""

from __future__ import annotations

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.state import State
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.perplexity.exact import (
    Perplexity,
    running_perplexity,
    sentence_perplexity,
    some_sentences,
)
from spacy_elmo.pretraining.run.interrupt import Interrupt


def heldout_perplexity(
    lm: BiLM,
    config: PretrainConfig,
    heldout: Corpus,
    interrupt: Interrupt,
    max_tokens: int | None = None,
    start: State | None = None,
) -> Perplexity:
    """Perplexity on text that is read as in training.

    That is on and on where the training carries its state, else sentence by sentence.

    Args:
        lm: The model.
        config: The training config.
        heldout: The text.
        interrupt: What stops it.
        max_tokens: Measure about so many; None: all.
        start: What a text that is read on and on begins with, see `running_perplexity`.

    Raises:
        Interrupted: If a signal came.
    """
    if config.carry_state:
        return running_perplexity(
            lm, heldout, start=start, max_tokens=max_tokens, check=interrupt.check
        )
    return sentence_perplexity(lm, interrupt.watch(some_sentences(heldout, max_tokens)))
