"""The same training in float32 and in bfloat16, by the kernels and by PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.run.heldout import heldout_perplexity
from spacy_elmo.pretraining.run.interrupt import Interrupt
from tests.pretraining.small import config, make_corpus, new_trainer, train


def _perplexity(precision: str, text: Corpus, heldout: Corpus, folder: Path) -> float:
    made = config(precision=precision, tokens=8000, batch_size=16)
    trainer = new_trainer(text, folder, made, heldout)
    assert train(trainer)
    return heldout_perplexity(trainer.training.lm, made, heldout, Interrupt()).average


@pytest.mark.soak
def test_all_end_at_the_same_perplexity(tmp_path: Path, one_thread: None) -> None:
    text = make_corpus(tmp_path / "text")
    made = make_corpus(tmp_path / "heldout", number=60, seed=1)
    heldout = Corpus(made.path, text.vocabulary)
    found = {}
    for choice in {loader.OFF, loader.BEST if loader.offered() else loader.OFF}:
        for precision in ("float32", "bfloat16"):
            with loader.use(choice):
                folder = tmp_path / f"{choice}-{precision}"
                found[choice, precision] = _perplexity(precision, text, heldout, folder)
    expected = found[loader.OFF, "float32"]
    assert expected < 6.0  # of 24 words: it has learned
    for ended in found.values():
        assert ended == pytest.approx(expected, rel=0.02)
