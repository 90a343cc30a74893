"""The same training in float32 and in bfloat16."""

from __future__ import annotations

import lzma
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare
from spacy_elmo.pretraining.run.distributed import Group
from spacy_elmo.pretraining.run.heldout import heldout_perplexity
from spacy_elmo.pretraining.run.interrupt import Interrupt
from spacy_elmo.pretraining.run.state import Training
from tests.pretraining.small import config, make_corpus, new_trainer, train

REAL = {
    "model": {"lstm_dim": 128, "projection_dim": 64, "char_cnn": {"filters": [[1, 16], [3, 64]]}},
    "batch_size": 32,
    "unroll_steps": 20,
    "n_negative_samples": 512,
    "learning_rate": 0.004,
    "tokens": 300_000,
}


def _perplexity(text: Corpus, heldout: Corpus, folder: Path, **settings: Any) -> float:
    made = config(**settings)
    trainer = new_trainer(text, folder, made, heldout)
    assert train(trainer)
    return heldout_perplexity(trainer.training.lm, made, heldout, Interrupt()).average


@pytest.mark.soak
def test_both_end_at_the_same_perplexity(tmp_path: Path, one_thread: None) -> None:
    text = make_corpus(tmp_path / "text")
    made = make_corpus(tmp_path / "heldout", number=60, seed=1)
    heldout = Corpus(made.path, text.vocabulary)
    full, half = (
        _perplexity(text, heldout, tmp_path / precision, precision=precision, tokens=8000)
        for precision in ("float32", "bfloat16")
    )
    assert full < 6.0  # of 24 words: it has learned
    assert half == pytest.approx(full, rel=0.02)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_both_end_at_the_same_perplexity_on_real_text(
    shared: Path, tmp_path: Path, one_thread: None
) -> None:
    """300,000 tokens of English, from the same seed."""
    with lzma.open(shared / "corpora/en/train-00.txt.xz", "rt", encoding="utf8") as lines:
        (tmp_path / "text.txt").write_text("".join(islice(lines, 6000)), encoding="utf8")
    prepare([tmp_path / "text.txt"], tmp_path / "text")
    text = Corpus(tmp_path / "text")
    valid = shared / "eval/lm/mix-valid/wiki.txt"
    prepare([valid], tmp_path / "heldout", vocabulary=tmp_path / "text")
    heldout = Corpus(tmp_path / "heldout", text.vocabulary)
    full, half = (
        _perplexity(text, heldout, tmp_path / precision, precision=precision, **REAL)
        for precision in ("float32", "bfloat16")
    )
    print(f"{len(text.vocabulary)} words; float32 {full:.2f}, bfloat16 {half:.2f}")
    assert full < len(text.vocabulary) / 10
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
