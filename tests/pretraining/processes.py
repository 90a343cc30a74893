"""Trainings in processes of their own, to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from spacy_elmo.pretraining.config import PretrainConfig
from spacy_elmo.pretraining.run.checkpoint import found

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def command(corpus: Path, out: Path, config: PretrainConfig, *more: str) -> list[str]:
    """`python -m spacy_elmo.pretraining` with a config file beside the output."""
    path = out.with_suffix(".json")
    path.write_text(json.dumps(config.to_dict()), encoding="utf8")
    module = [sys.executable, "-m", "spacy_elmo.pretraining"]
    return [*module, str(corpus), str(out), "--config", str(path), *more]


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """Start a process; its output can be read from `stderr`."""
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a process to its end."""
    return subprocess.run(
        arguments, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def newest(out: Path) -> str:
    """Name of the newest checkpoint, or "" if there is none."""
    paths = found(out / "training" / "checkpoints")
    return paths[-1].name if paths else ""


def wait_for_checkpoint(process: subprocess.Popen[str], out: Path, after: str) -> None:
    """Wait until the process has written a checkpoint newer than the one named."""
    end = time.monotonic() + 120
    while newest(out) <= after:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "no checkpoint in two minutes"
        time.sleep(0.005)
