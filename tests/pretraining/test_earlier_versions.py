"""Trainings begun with an earlier version go on: its corpora and checkpoints are read.

`earlier/` holds a tiny prepared corpus, and for each optimizer a checkpoint in the middle of a
training, its config and log, and the weights with which that version ended.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.pretrain import pretrain
from spacy_elmo.pretraining.report.log import read_log
from spacy_elmo.pretraining.run import checkpoint as checkpoints
from spacy_elmo.pretraining.run.events import Event, Started

EARLIER = Path(__file__).parent / "earlier"


@pytest.mark.parametrize("optimizer", ["adamw", "adagrad"])
def test_a_training_goes_on(optimizer: str, tmp_path: Path, one_thread: None) -> None:
    out = tmp_path / "out"
    shutil.copytree(EARLIER / optimizer, out / "training")
    (old,) = checkpoints.found(out / "training" / "checkpoints")
    names = checkpoints.read(old).tensors.keys()
    told: list[Event] = []
    config = PretrainConfig.from_file(EARLIER / optimizer / "config.json")
    assert pretrain(EARLIER / "corpus", out, config, progress=told.append)
    assert told[0] == Started(10, 200, True)
    found = load_file(out / "weights.safetensors") | load_file(out / "softmax.safetensors")
    expected = load_file(EARLIER / optimizer / "expected.safetensors")
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)
    steps = [entry["step"] for entry in read_log(out / "training" / "log.jsonl")]
    assert steps == [5, 10, 15, 20]
    # That version reads what is written now: the names in checkpoints are the same.
    newest = checkpoints.found(out / "training" / "checkpoints")[-1]
    assert checkpoints.read(newest).tensors.keys() == names
