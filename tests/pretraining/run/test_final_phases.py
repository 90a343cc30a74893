"""The phases after the last step: stopped in any of them, a training goes on to the same end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.perplexity.exact import Perplexity
from spacy_elmo.pretraining.pretrain import pretrain
from spacy_elmo.pretraining.report.log import read_log
from spacy_elmo.pretraining.run import finish
from spacy_elmo.pretraining.run.events import Event, Measured, Phase, Stopped, Written
from tests.pretraining.small import config, make_corpus

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = config(tokens=200, evaluate_tokens=100)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("text"), number=60)


@pytest.fixture(scope="module")
def heldout(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made = make_corpus(tmp_path_factory.mktemp("heldout"), number=30, seed=1)
    return Corpus(made.path, corpus.vocabulary)


@pytest.fixture(scope="module")
def through(corpus: Corpus, heldout: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a training that ran through."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("through") / "model"
    assert pretrain(corpus.path, out, CONFIG, heldout=heldout.path)
    return out


def _weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "weights.safetensors") | load_file(out / "softmax.safetensors")


def _card(out: Path) -> list[str]:
    lines = (out / "README.md").read_text("utf8").splitlines()
    return [line for line in lines if not line.startswith("- seen:")]  # tells the time


@pytest.mark.parametrize("name", ["perplexity on held-out text", "initial state", "mean vector"])
def test_stopped_in_a_phase(
    name: str,
    corpus: Corpus,
    heldout: Corpus,
    through: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "model"
    told: list[Event] = []
    measured = []
    as_it_is = finish.heldout_perplexity

    def counted(*arguments: Any, **named: Any) -> Perplexity:
        found = as_it_is(*arguments, **named)
        measured.append(found)
        return found

    def stop(event: Event) -> None:
        told.append(event)
        if event == Phase(name):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(finish, "heldout_perplexity", counted)
    assert not pretrain(corpus.path, out, CONFIG, heldout=heldout.path, progress=stop)
    assert isinstance(told[-1], Stopped)
    assert not (out / "config.json").exists()
    told.clear()
    assert pretrain(corpus.path, out, CONFIG, heldout=heldout.path, progress=told.append)
    assert told[-1] == Written(out)
    assert len(measured) == 1  # not again
    first, second = _weights(through), _weights(out)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(second[key], value), key
    assert _card(out) == _card(through)
    assert (out / "curves.svg").read_bytes() == (through / "curves.svg").read_bytes()
    logs = [
        [entry.get("heldout") for entry in read_log(path / "training" / "log.jsonl")]
        for path in (through, out)
    ]
    assert logs[0] == logs[1]


def test_perplexities_of_other_weights_are_not_kept(
    corpus: Corpus, heldout: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    averages = []
    for tokens in (200, 400):
        told: list[Event] = []
        made = config(tokens=tokens, evaluate_tokens=100)
        assert pretrain(corpus.path, out, made, heldout=heldout.path, progress=told.append)
        averages.append([e.perplexity.average for e in told if isinstance(e, Measured)])
    assert len(averages[0]) == len(averages[1]) == 3
    assert not set(averages[0]) & set(averages[1])


@pytest.mark.parametrize("with_heldout", [True, False])
def test_a_trained_model_carries_its_mean_vector(
    with_heldout: bool, corpus: Corpus, heldout: Corpus, tmp_path: Path
) -> None:
    """Of the held-out text, or else of the training text, from the state the model has."""
    out = tmp_path / "model"
    text = heldout if with_heldout else corpus
    assert pretrain(corpus.path, out, CONFIG, heldout=heldout.path if with_heldout else None)
    lm = BiLM.from_pretrained(out)
    assert lm.mean_layers is not None
    layers = torch.cat([torch.from_numpy(each) for each in lm.encode(list(text.words()))], dim=1)
    torch.testing.assert_close(lm.mean_layers, layers.mean(dim=1), rtol=0, atol=1e-6)
    kind = "held-out" if with_heldout else "training"
    assert f"of {text.n_tokens:,} words of the {kind} text" in (out / "README.md").read_text("utf8")
