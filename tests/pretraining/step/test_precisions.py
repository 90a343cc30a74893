"""The same training in float32 and in bfloat16."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.heldout import heldout_perplexity
from spacy_elmo.pretraining.run.interrupt import Interrupt
from spacy_elmo.pretraining.run.state import Training
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


@pytest.mark.parametrize("kernels", ["0", "1"])
def test_equal_trainings_in_half_precision_are_equal(tmp_path: Path, kernels: str) -> None:
    """Whichever thread is first: else no training could be resumed to the bit."""
    made = config(precision="bfloat16", tokens=1)
    text = make_corpus(tmp_path / "text")
    with loader.use(kernels):
        runs = []
        for _ in range(4):
            training = Training(text, made, Group())
            steps = islice(training.batches.ahead(0), 3)
            runs.append([training.advance(batch, windows, 1e-2) for batch, windows in steps])
    for other in runs[1:]:
        for (losses, norm), (other_losses, other_norm) in zip(runs[0], other, strict=True):
            assert torch.equal(losses, other_losses)
            assert torch.equal(norm, other_norm)
