"""Trainings killed, stopped and resumed end with the very weights of one that ran through."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from spacy_elmo.errors import TrainingError
from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.pretrain import pretrain
from spacy_elmo.pretraining.report.log import read_log
from tests.pretraining.processes import command, newest, start, wait_for_checkpoint
from tests.pretraining.small import config, make_corpus


def _weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "weights.safetensors") | load_file(out / "softmax.safetensors")


def _assert_same(one: Path, other: Path) -> None:
    first, second = _weights(one), _weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("text"), number=100).path


@pytest.mark.parametrize(
    ("order", "kills"),
    [
        ("text", 1),
        pytest.param("text", 4, marks=pytest.mark.soak),
        pytest.param("shuffled", 4, marks=pytest.mark.soak),
    ],
)
def test_killed_at_any_moment_it_goes_on(
    order: str, kills: int, corpus: Path, tmp_path: Path, one_thread: None
) -> None:
    made = config(
        order=order,
        same_text=order == "text",
        dropout=0.1,
        tokens=2_000 + 2_000 * kills,
        checkpoint_seconds=0.05,
    )
    through, killed = tmp_path / "through", tmp_path / "killed"
    assert pretrain(corpus, through, made)

    last = ""
    for number in range(kills):
        process = start(command(corpus, killed, made))
        wait_for_checkpoint(process, killed, last)
        time.sleep(0.03 * number)  # in the middle of a step, or of writing a checkpoint
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        last = newest(killed)
    assert not (killed / "config.json").exists()  # none of them came to its end

    process = start(command(corpus, killed, made))
    told = process.communicate()[1]
    assert process.returncode == 0, told
    assert "Going on from step" in told
    _assert_same(through, killed)
    steps = [entry["step"] for entry in read_log(killed / "training" / "log.jsonl")]
    assert steps == sorted(set(steps))  # nothing logged twice


@pytest.mark.parametrize(
    ("number", "program"),
    [
        pytest.param(signal.SIGTERM, "spacy_elmo.pretraining", marks=pytest.mark.soak),
        (signal.SIGINT, "spacy_elmo.pretraining"),
        (signal.SIGTERM, "spacy_elmo"),
    ],
)
def test_a_signal_leaves_a_checkpoint(
    number: signal.Signals, program: str, corpus: Path, tmp_path: Path, one_thread: None
) -> None:
    made = config(tokens=100_000_000, checkpoint_seconds=1e6)
    out = tmp_path / "out"
    arguments = command(corpus, out, made)
    if program == "spacy_elmo":
        arguments[2:3] = ["spacy_elmo", "pretrain"]
    process = start(arguments)
    wait_for_checkpoint(process, out, "")
    log = out / "training" / "log.jsonl"
    while not read_log(log):  # it is at work
        time.sleep(0.01)
    # Meanwhile no other training may work there, and nothing of this one is touched.
    before = sorted(path.name for path in (out / "training" / "checkpoints").iterdir())
    with pytest.raises(TrainingError, match=f"at work there, process {process.pid} on "):
        pretrain(corpus, out, made)
    assert before == sorted(path.name for path in (out / "training" / "checkpoints").iterdir())
    process.send_signal(number)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number, told
    assert "run the same command to go on" in told
    assert newest(out) > "step-000000000.safetensors"
    assert not (out / "config.json").exists()


def test_stopped_and_resumed_in_one_process(corpus: Path, tmp_path: Path, one_thread: None) -> None:
    """Budget by budget is the same as all at once, where the rate does not depend on the budget."""
    whole = config(order="sentences", schedule="constant", dropout=0.2, epochs=2.0, tokens=None)
    first = config(order="sentences", schedule="constant", dropout=0.2, epochs=0.7, tokens=None)
    assert pretrain(corpus, tmp_path / "whole", whole)
    for made in (first, whole):
        assert pretrain(corpus, tmp_path / "parts", made)
    _assert_same(tmp_path / "whole", tmp_path / "parts")


def test_other_seeds_give_other_weights(corpus: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        made: PretrainConfig = config(seed=seed, tokens=200)
        assert pretrain(corpus, tmp_path / str(seed), made)
    with pytest.raises(AssertionError):
        _assert_same(tmp_path / "0", tmp_path / "1")
