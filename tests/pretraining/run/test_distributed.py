"""Two processes that train together are one process with all the rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spacy_elmo.pretraining.batches.batches import Batches
from spacy_elmo.pretraining.pretrain import pretrain
from spacy_elmo.pretraining.run import checkpoint as checkpoints
from spacy_elmo.pretraining.run.distributed import Group
from tests.pretraining.processes import command, run
from tests.pretraining.small import config, make_corpus, new_training


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("text")).path


def test_two_processes_are_one_with_twice_the_rows(
    corpus: Path, tmp_path: Path, one_thread: None
) -> None:
    # With epsilon near zero Adam makes steps of float noise where a gradient is nothing but noise.
    made = config(batch_size=6, tokens=900, weight_decay=0.1, epsilon=1e-6)
    assert pretrain(corpus, tmp_path / "one", made)
    arguments = command(corpus, tmp_path / "two", made)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ended = run([*launcher, *arguments[1:]])
    assert ended.returncode == 0, ended.stderr
    for file in ("weights.safetensors", "softmax.safetensors"):
        one, two = load_file(tmp_path / "one" / file), load_file(tmp_path / "two" / file)
        assert one.keys() == two.keys()
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-5, msg=name)
    # Checkpoints hold the rows of both, in their order.
    states = []
    for name in ("one", "two"):
        newest = checkpoints.found(tmp_path / name / "training" / "checkpoints")[-1]
        states.append(checkpoints.read(newest).tensors["lstm.1.c"])
    torch.testing.assert_close(states[1], states[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_rows", [7, 2])
@pytest.mark.parametrize("order", ["text", "shuffled", "sentences"])
@pytest.mark.parametrize("words", [False, True])
def test_shares_of_the_gradients_add_up(
    order: str, words: bool, n_rows: int, tmp_path: Path
) -> None:
    """Rows divided among three, each with the same rows of the softmax, give the whole's sum.
    Where there are fewer rows than processes, some have none."""
    text = make_corpus(tmp_path, number=60)
    model = {"char_cnn": None} if words else {}
    made = config(order=order, model=model, batch_size=n_rows, unroll_steps=10)
    whole = new_training(text, made)
    batch = whole.batches.batch(0)
    expected = whole.stepper(batch, whole.states, 0)
    parts = []
    for rank in range(3):
        group = Group(rank, 3)
        share = new_training(text, made, group)
        mine = Batches(text, share.config, group).batch(0)
        assert torch.equal(mine.words, batch.words)
        parts.append(share.stepper(mine, share.states, 0))
        # They are added up as one long vector.
        assert list(parts[-1].dense) == list(expected.dense)
    torch.testing.assert_close(sum(part.losses for part in parts), expected.losses)
    for name, value in expected.dense.items():
        torch.testing.assert_close(sum(part.dense[name] for part in parts), value, msg=name)
    for name, (rows, value) in expected.rows.items():
        assert all(torch.equal(part.rows[name][0], rows) for part in parts)
        torch.testing.assert_close(sum(part.rows[name][1] for part in parts), value, msg=name)


def test_each_process_draws_its_own_dropout(tmp_path: Path) -> None:
    made = config(dropout=0.5)
    text = make_corpus(tmp_path, number=20)
    steppers = [new_training(text, made, Group(rank, 2)).stepper for rank in range(2)]
    drawn = [torch.rand(8, generator=each._generator(0, 0)) for each in steppers]
    assert not torch.equal(*drawn)
