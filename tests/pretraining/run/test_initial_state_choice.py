"""The initial state a finished training gives its model, and what it leaves of it in its files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.perplexity.exact import Perplexity, sentence_perplexity
from spacy_elmo.pretraining.pretrain import pretrain
from spacy_elmo.pretraining.run import finish
from spacy_elmo.pretraining.run.finish import Finish
from spacy_elmo.pretraining.run.interrupt import Interrupt
from tests.pretraining.small import config, make_corpus, new_training

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("text"), number=40)


@pytest.fixture(scope="module")
def heldout(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made = make_corpus(tmp_path_factory.mktemp("heldout"), number=20, seed=1)
    return Corpus(made.path, corpus.vocabulary)


def _force(monkeypatch: pytest.MonkeyPatch, **values: float) -> list[str]:
    """Make the perplexity of each state a given one. Returns the states measured, as they come."""
    measured: list[str] = []

    def told(lm: BiLM, sentences: Iterable[Sequence[str]], *, initial_state: str) -> Perplexity:
        assert any(True for _ in sentences)
        measured.append(initial_state)
        return Perplexity((values[initial_state],) * 2, 10, 1)

    monkeypatch.setattr(finish, "sentence_perplexity", told)
    return measured


def _finished(corpus: Corpus, out: Path, heldout: Corpus | None, **values: Any) -> BiLM:
    """The model of a tiny training, whose files must agree about its state."""
    made = config(**{"tokens": 100, **values})
    path = None if heldout is None else heldout.path
    assert pretrain(corpus.path, out, made, heldout=path)
    lm = BiLM.from_pretrained(out)
    assert json.loads((out / "config.json").read_text())["initial_state"] == lm.initial_state
    assert f"- initial state: {lm.initial_state}\n" in (out / "README.md").read_text()
    return lm


@pytest.mark.parametrize("reset_probability", [0.0, 0.1])
@pytest.mark.parametrize(
    ("zero", "warm", "chosen"),
    [(30.0, 20.0, "warm"), (20.0, 30.0, "zero"), (20.0, 20.0, "zero")],
)
def test_held_out_text_chooses(
    zero: float,
    warm: float,
    chosen: str,
    reset_probability: float,
    corpus: Corpus,
    heldout: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever share of rows began from zero, the state with the lower perplexity is kept."""
    measured = _force(monkeypatch, zero=zero, warm=warm)
    lm = _finished(corpus, tmp_path / "out", heldout, reset_probability=reset_probability)
    assert sorted(measured) == ["warm", "zero"]
    assert lm.initial_state == chosen
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"| each sentence from the zero state | {zero} | {zero} |" in card
    assert f"| each sentence from the warm state | {warm} | {warm} |" in card
    # The other one remains at hand: that of the training text, with the trained weights.
    lm.initial_state = "warm"
    assert lm.initial_h is not None
    stored = lm.initial_h.clone()
    lm.warm_up(corpus.words())
    torch.testing.assert_close(lm.initial_h, stored, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("reset_probability", "chosen"), [(0.1, "zero"), (0.0, "warm")])
def test_without_held_out_text_it_is_the_state_it_was_trained_from(
    reset_probability: float,
    chosen: str,
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = _force(monkeypatch)
    lm = _finished(corpus, tmp_path / "out", None, reset_probability=reset_probability)
    assert lm.initial_state == chosen
    assert lm.initial_h is not None
    assert not measured


@pytest.mark.parametrize("with_heldout", [True, False])
@pytest.mark.parametrize("values", [{"carry_state": False}, {"order": "sentences"}], ids=str)
def test_rows_that_always_began_from_zero_keep_it(
    values: dict[str, Any],
    with_heldout: bool,
    corpus: Corpus,
    heldout: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = _force(monkeypatch, zero=30.0, warm=20.0)
    values = {**values, "reset_probability": 0.0}
    lm = _finished(corpus, tmp_path / "out", heldout if with_heldout else None, **values)
    assert lm.initial_state == "zero"
    assert lm.initial_h is None
    assert measured == ["zero"] * with_heldout


def test_each_state_is_measured_from_itself(
    corpus: Corpus, heldout: Corpus, tmp_path: Path
) -> None:
    """Nothing forced: the perplexities told are those of the states they are told for."""
    training = new_training(corpus, config(tokens=200))
    lm = training.lm

    def choose() -> dict[str, Perplexity]:
        phases = Finish(training, tmp_path, heldout, Interrupt())
        for _ in phases.choose_initial_state():
            pass
        return phases.measured

    measured = choose()
    assert measured["zero"].average != measured["warm"].average
    assert lm.initial_state == min(measured, key=lambda state: measured[state].average)
    for state, found in measured.items():
        lm.initial_state = state
        expected = sentence_perplexity(lm, heldout.words())
        assert found.directions == pytest.approx(expected.directions, rel=1e-6)
    # What the model began with plays no part; here it is "warm".
    assert choose() == measured
