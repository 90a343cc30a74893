"""torchrun starts a training anew one of whose processes was killed; it goes on where it was."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spacy_elmo.pretraining.pretrain import pretrain
from tests.pretraining.processes import command, start, wait_for_checkpoint
from tests.pretraining.small import config, make_corpus


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for workers in /proc")
@pytest.mark.parametrize("victim", [0, -1], ids=["first", "last"])
def test_a_killed_worker(victim: int, tmp_path: Path, one_thread: None) -> None:
    corpus = make_corpus(tmp_path).path
    made = config(
        batch_size=6, tokens=6_000, weight_decay=0.1, epsilon=1e-6, checkpoint_seconds=0.05
    )
    assert pretrain(corpus, tmp_path / "one", made)
    out = tmp_path / "two"
    arguments = command(corpus, out, made)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    options = ["--nproc-per-node=2", "--max-restarts=2"]
    process = start([*launcher, *options, *arguments[1:]])
    wait_for_checkpoint(process, out, "step-000000000.safetensors")
    workers = children(process.pid)
    assert len(workers) >= 2
    os.kill(sorted(workers)[victim], signal.SIGKILL)
    told = process.communicate()[1]
    assert process.returncode == 0, told
    assert "Going on from step" in told
    for file in ("weights.safetensors", "softmax.safetensors"):
        one, two = load_file(tmp_path / "one" / file), load_file(out / file)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4, msg=name)
