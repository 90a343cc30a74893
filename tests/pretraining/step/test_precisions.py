"""The same training in float32 and in bfloat16."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.run.heldout import heldout_perplexity
from spacy_elmo.pretraining.run.interrupt import Interrupt
from tests.pretraining.small import config, make_corpus, new_trainer, train


def _perplexity(precision: str, text: Corpus, heldout: Corpus, folder: Path) -> float:
    made = config(precision=precision, tokens=8000)
    trainer = new_trainer(text, folder, made, heldout)
    assert train(trainer)
    return heldout_perplexity(trainer.training.lm, made, heldout, Interrupt()).average


@pytest.mark.soak
def test_both_end_at_the_same_perplexity(tmp_path: Path, one_thread: None) -> None:
    text = make_corpus(tmp_path / "text")
    made = make_corpus(tmp_path / "heldout", number=60, seed=1)
    heldout = Corpus(made.path, text.vocabulary)
    full, half = (
        _perplexity(precision, text, heldout, tmp_path / precision)
        for precision in ("float32", "bfloat16")
    )
    assert full < 6.0  # of 24 words: it has learned
    assert half == pytest.approx(full, rel=0.02)
