"""Checkpoints that are whole and do not fit: all is checked before anything is restored."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from spacy_elmo.errors import CheckpointError, DamagedCheckpoint
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.pretrain import pretrain
from spacy_elmo.pretraining.report.log import read_log
from spacy_elmo.pretraining.run import checkpoint as checkpoints
from spacy_elmo.pretraining.run.checkpoint import Checkpoint
from spacy_elmo.pretraining.run.events import Message, Started
from tests.pretraining.small import config, make_corpus, new_trainer, train

CONFIG = config(tokens=400)
LOGGED = config(tokens=400, log_every=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("text"), number=60)


def without(key: str) -> Callable[[Checkpoint], None]:
    def damage(saved: Checkpoint) -> None:
        (saved.tensors if key in saved.tensors else saved.state).pop(key)

    return damage


def value(key: str, new: Any) -> Callable[[Checkpoint], None]:
    return lambda saved: saved.state.update({key: new})


def tensor(key: str, new: torch.Tensor) -> Callable[[Checkpoint], None]:
    return lambda saved: saved.tensors.update({key: new})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("step"), "step is None, expected a count"),
        (value("tokens", "many"), "tokens is 'many', expected a count"),
        (value("tokens", -1), "tokens is -1, expected a count"),
        (value("seconds", None), "seconds is None, expected a number"),
        (value("rate_factor", 0), "rate_factor is 0, expected a number"),
        (value("optimizer_steps", 1.5), "optimizer_steps is 1.5, expected a count"),
        (value("config", []), "config is missing"),
        (without("corpus"), "corpus is missing"),
        (without("windows"), r"its place in the text is none \('windows'\)"),
        (value("windows", {"plans": []}), "its place in the text is none .the saved position"),
        (
            without("model.forward_layers.0.bias"),
            "there is no tensor 'model.forward_layers.0.bias'",
        ),
        (
            tensor("lstm.1.h", torch.zeros(2, 2)),
            r"'lstm.1.h' is torch.float32 \(2, 2\), expected .* \(2, 8, 8\)",
        ),
        (
            tensor("lstm.0.c", torch.zeros(2, 16, 8, dtype=torch.float64)),
            "'lstm.0.c' is torch.float64",
        ),
    ],
)
def test_what_does_not_fit_is_passed_over(
    damage: Callable[[Checkpoint], None], message: str, corpus: Corpus, tmp_path: Path
) -> None:
    trainer = new_trainer(corpus, tmp_path, CONFIG)
    assert train(trainer)
    older, newer = checkpoints.found(trainer.checkpoint_folder)
    saved = checkpoints.read(newer)
    damage(saved)
    newer.unlink()
    checkpoints.write(trainer.checkpoint_folder, trainer.training.step, saved)
    again = new_trainer(corpus, tmp_path, CONFIG)
    told, started = again.resume()
    assert isinstance(told, Message)
    assert str(newer) in told.text
    assert isinstance(started, Started)
    assert f"{started.step:09d}" in older.name
    expected = checkpoints.read(older).tensors
    for name, tensor in again.training.lm.named_parameters():
        assert torch.equal(tensor, expected[f"model.{name}"])
    assert newer.with_suffix(".damaged").exists()
    assert re.search(message, told.text), told.text


@pytest.mark.parametrize("order", ["text", "sentences", "shuffled"])
@pytest.mark.parametrize("count", [-1, 10**18, "1", None])
def test_a_place_that_is_none(order: str, count: Any, corpus: Corpus, tmp_path: Path) -> None:
    made = config(order=order, tokens=40)
    trainer = new_trainer(corpus, tmp_path, made)
    saved = trainer.training.capture()
    trainer.training.check(saved)
    names = {"text": ["number"], "sentences": ["epoch", "taken"], "shuffled": ["epoch", "taken"]}
    for name in names[order]:
        place = json.loads(json.dumps(saved.state["windows"]))
        (place["plans"][0] if order == "shuffled" else place)[name] = count
        with pytest.raises(DamagedCheckpoint, match="its place in the text is none"):
            trainer.training.check(Checkpoint(saved.tensors, {**saved.state, "windows": place}))


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, ""])
def test_a_state_that_is_none(text: str, corpus: Corpus, tmp_path: Path) -> None:
    trainer = new_trainer(corpus, tmp_path, CONFIG)
    assert list(trainer.save())
    path = checkpoints.found(trainer.checkpoint_folder)[0]
    tensors = load_file(path)
    metadata = {"format": checkpoints.FORMAT, "version": checkpoints.VERSION}
    checksum = str(checkpoints._checksum(tensors, text))
    for more in ({}, {"state": text}, {"state": text, "checksum": checksum}):
        save_file(tensors, path, metadata | more)
        with pytest.raises(DamagedCheckpoint, match=f"{path}: damaged: its"):
            checkpoints.read(path)


def test_a_checkpoint_of_a_graph_on_a_gpu(corpus: Corpus, tmp_path: Path) -> None:
    trainer = new_trainer(corpus, tmp_path, CONFIG)
    saved = trainer.training.capture()
    saved.state["kind"] = "device"
    with pytest.raises(CheckpointError, match="made by a training as one graph on a GPU"):
        trainer.training.check(saved)


@pytest.fixture(scope="module")
def logged(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that ran through, with an entry of the log for each step."""
    out = tmp_path_factory.mktemp("logged") / "out"
    assert pretrain(corpus.path, out, LOGGED)
    return out


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\x00",
        b"[1]",
        b"{}",
        b'{"step": "x", "tokens": 1}',
        b'{"step": 1, "tokens": 1, "loss": [NaN]}',
        b'{"step": 1, "tokens": 1, "loss": 3}',
        b'{"step": 1, "tokens": 1, "heldout": [3.0]}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_log_is_cut_and_costs_no_checkpoint(
    line: bytes, corpus: Corpus, logged: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(logged, out)
    log = out / "training" / "log.jsonl"
    lines = log.read_bytes().splitlines()
    lines[3] = line
    log.write_bytes(b"\n".join(lines) + b"\n")
    (out / "config.json").unlink()
    told: list[Any] = []
    assert pretrain(corpus.path, out, LOGGED, progress=told.append)
    (started,) = [event for event in told if isinstance(event, Started)]
    assert started.tokens == 400
    damage = f"{log} is damaged: what follows line 3 of {len(lines)} is lost"
    assert Message(damage) in told
    assert [entry["step"] for entry in read_log(log)] == [1, 2, 3]
    assert (out / "config.json").exists()
