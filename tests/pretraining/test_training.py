"""Whole trainings on a tiny language: they learn, and what they leave behind is a model."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.pretraining.config import RECIPES, PretrainConfig
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.perplexity.exact import running_perplexity, sentence_perplexity
from spacy_elmo.pretraining.pretrain import pretrain
from spacy_elmo.pretraining.report.log import Log, read_log
from spacy_elmo.pretraining.report.progress import Progress
from spacy_elmo.pretraining.run.events import Measured
from spacy_elmo.pretraining.run.heldout import heldout_perplexity
from spacy_elmo.pretraining.run.interrupt import Interrupt
from spacy_elmo.pretraining.step.recurrence import run_window
from tests.pretraining.processes import ENVIRONMENT, ROOT
from tests.pretraining.small import config, make_corpus, new_trainer, new_training, sentences, train


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def heldout(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made = make_corpus(tmp_path_factory.mktemp("heldout"), number=60, seed=1)
    return Corpus(made.path, corpus.vocabulary)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"order": "shuffled", "dropout": 0.1, "reset_probability": 0.0},
        {"order": "sentences"},
        {"n_negative_samples": 0, "schedule": "constant"},
        {"optimizer": "adagrad", "learning_rate": 0.8, "initial_accumulator": 0.1},
        {"precision": "bfloat16"},
        {"precision": "float16"},
        {"model": {"cell_clip": 3.0, "proj_clip": 3.0, "n_layers": 1}},
        {"model": {"bidirectional": False, "projection_dim": 16, "lstm_projection": False}},
        {"model": {"char_cnn": None}, "share_embedding_softmax": True, "weight_decay": 0.1},
    ],
    ids=str,
)
def test_held_out_perplexity_falls(
    changes: dict[str, Any], corpus: Corpus, heldout: Corpus, tmp_path: Path, one_thread: None
) -> None:
    made = config(**{"tokens": 8000, **changes})
    trainer = new_trainer(corpus, tmp_path, made, heldout)
    lm = trainer.training.lm
    before = heldout_perplexity(lm, made, heldout, Interrupt()).average
    log = Log(tmp_path / "log.jsonl")
    assert train(trainer, log)
    (measured_now,) = trainer.measure()
    assert isinstance(measured_now, Measured)
    log(measured_now)
    after = measured_now.perplexity.average
    assert before > 15.0  # 24 words
    assert after < 6.0  # the language has 1.9 bits a word
    measured = [entry for entry in read_log(tmp_path / "log.jsonl") if "heldout" in entry]
    assert measured[-1]["heldout_average"] == pytest.approx(after, abs=1e-3)
    assert measured[-1]["tokens"] == trainer.training.tokens >= 8000
    if made.carry_state:  # from where the rows of the training have come to
        start = trainer.training.mean_state()
        assert start.c.abs().max() > 0
        assert running_perplexity(lm, heldout, start=start) == measured_now.perplexity


def test_what_it_leaves_loads_everywhere(corpus: Corpus, heldout: Corpus, tmp_path: Path) -> None:
    import spacy

    out = tmp_path / "out"
    made = config(tokens=8000, evaluate_seconds=0.5, evaluate_tokens=50)
    assert pretrain(corpus.path, out, made, heldout=heldout.path)
    lm = BiLM.from_pretrained(out)
    assert lm.vocabulary == corpus.vocabulary
    assert sentence_perplexity(lm, heldout.words()).average < 8.0
    lm.save(tmp_path / "lm.hdf5")  # what AllenNLP and bilm-tf read
    words = sentences(1)[0].split()
    hdf5 = BiLM.from_pretrained(tmp_path / "lm.hdf5", initial_state="zero")
    lm.initial_state = "zero"
    np.testing.assert_allclose(hdf5.encode([words])[0], lm.encode([words])[0], atol=1e-6)

    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(out)}})
    doc = nlp("the cat sees some water near the bank.")
    assert doc._.elmo_vectors.shape == (9, 16)
    assert np.isfinite(doc._.elmo_vectors).all()


def test_words_of_a_training_step_are_those_of_the_network(corpus: Corpus) -> None:
    """The training's path through the network against the network's own forward."""
    training = new_training(corpus, config(model={"cell_clip": 0.5, "proj_clip": 0.3}))
    lm = training.lm
    words = sentences(1, seed=4)[0].split()
    with torch.no_grad():
        expected = lm([words], boundaries=True)[-1]
        for direction, read in ((0, ["<S>", *words]), (1, ["</S>", *reversed(words)])):
            values = lm.token_encoder(lm.token_encoder.word_ids(read)).t().unsqueeze(2)
            layers = lm.forward_layers if direction == 0 else lm.backward_layers
            assert layers is not None
            for k, layer in enumerate(layers):
                outputs = run_window(
                    values.permute(1, 0, 2) if k == 0 else values,
                    torch.zeros(8, 1),
                    torch.zeros(16, 1),
                    layer.weight,
                    layer.working_bias(),
                    layer.projection,
                    0.5,
                    0.3,
                )[0]
                values = outputs + values if k else outputs
            part = expected[:-1, :8] if direction == 0 else expected.flip(0)[:-1, 8:]
            torch.testing.assert_close(values.squeeze(2), part, rtol=0, atol=1e-6)


def test_starting_from_weights(
    corpus: Corpus, heldout: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Continued on text with another vocabulary, it starts where it stood."""
    first = tmp_path / "first"
    assert pretrain(corpus.path, first, config(tokens=8000))
    other = make_corpus(tmp_path / "other", number=100, seed=2)
    assert other.vocabulary != corpus.vocabulary  # the same words in another order
    made = config(tokens=1000, model={"lstm_dim": 99})  # the sizes are the weights'
    arguments = {"heldout": heldout.path, "init": first, "progress": Progress()}
    assert pretrain(other.path, tmp_path / "second", made, **arguments)
    told = capsys.readouterr().err
    assert (
        f"{len(other.vocabulary)} of {len(other.vocabulary)} words have rows in its softmax" in told
    )
    assert "before" in told
    assert "after" in told
    entries = read_log(tmp_path / "second" / "training" / "log.jsonl")
    assert entries[0]["step"] == 0
    assert entries[0]["heldout_average"] < 8.0
    assert BiLM.from_pretrained(tmp_path / "second").config.lstm_dim == 16

    bare = tmp_path / "bare.hdf5"  # holds no softmax
    lm = BiLM.from_pretrained(first)
    lm.softmax = None
    lm.save(bare)
    arguments["init"] = bare
    assert pretrain(other.path, tmp_path / "third", made, **arguments)
    assert "have no softmax: it starts at random" in capsys.readouterr().err
    entries = read_log(tmp_path / "third" / "training" / "log.jsonl")
    assert entries[0]["heldout_average"] > 10.0
    assert entries[-1]["heldout_average"] < entries[0]["heldout_average"]


def test_the_original_recipe_is_the_originals() -> None:
    """bilm-tf, bin/train_elmo.py: 3 GPUs of 128 rows, and its loss, optimizer and sizes."""
    recipe = RECIPES["bilm-tf"]
    assert recipe.batch_size == 3 * 128
    assert recipe.model.lstm_dim == 4096
    assert recipe.model.char_cnn is not None
    assert recipe.model.char_cnn.n_filters == 2048
    values = {
        "unroll_steps": 20,
        "dropout": 0.1,
        "n_negative_samples": 8192,
        "learning_rate": 0.2,
        "initial_accumulator": 1.0,
        "epsilon": 0.0,
        "clip_norm": 10.0,
        "loss_times_unroll": True,
        "carry_state": True,
        "reset_probability": 0.0,
        "same_text": False,
        "epochs": 10.0,
    }
    assert {name: getattr(recipe, name) for name in values} == values


def test_configs_round_trip() -> None:
    for recipe in RECIPES.values():
        assert PretrainConfig.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"recipe": "elmo"}, "no recipe 'elmo'"),
        ({"learningrate": 1.0}, "unknown key 'learningrate'"),
        ({"learning_rate": "high"}, "learning_rate is 'high': expected float"),
        ({"model": {"lstm": 3}}, "unknown key 'lstm'"),
        ({"order": "random"}, "order is 'random': expected one of text, shuffled, sentences"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"tokens": 0}, "tokens is 0: expected more than 0"),
        ({"epsilon": 0.0}, "epsilon is 0: adamw would divide by zero"),
        (
            {"recipe": "bilm-tf", "initial_accumulator": 0.0},
            "epsilon and initial_accumulator are 0: adagrad would divide by zero",
        ),
        ({"batch_size": 2**20, "unroll_steps": 2**20}, "symbols: expected at most 67,108,864"),
    ],
)
def test_wrong_configs(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PretrainConfig.from_dict(values)


NUMBERS = [
    field.name
    for field in fields(PretrainConfig)
    if str(field.type).partition(" ")[0] in ("int", "float")
]


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_bounds(name: str) -> None:
    """Said at once, not by exhausted memory or an overflow in mid-training."""
    for value in (-1, 10**30, 10**5000, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"{name} is "):
            PretrainConfig.from_dict({name: value})
        with pytest.raises(ValueError, match=f"{name} is "):
            replace(PretrainConfig(), **{name: value})


def test_it_needs_no_spacy(corpus: Corpus, tmp_path: Path) -> None:
    """A process that cannot import spaCy, typer or h5py trains and writes a model."""
    code = (
        "import sys\n"
        "for name in ('spacy', 'thinc', 'typer', 'wasabi', 'srsly', 'h5py', 'tqdm'):\n"
        "    sys.modules[name] = None\n"
        "from spacy_elmo.pretraining.__main__ import main\n"
        f"sys.exit(main({[str(corpus.path), str(tmp_path / 'out'), '--tokens', '300']!r}\n"
        f" + ['--config', {str(tmp_path / 'config.json')!r}]))\n"
    )
    import json

    (tmp_path / "config.json").write_text(json.dumps(config().to_dict()))
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert BiLM.from_pretrained(tmp_path / "out").softmax is not None
