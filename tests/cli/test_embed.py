"""`embed` from the command line: options arrive, progress is told, a killed process goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from spacy_elmo.cli.app import app
from tests.tiny import WIDTH, tiny_lm


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny"
    tiny_lm().save(path)
    return path


def embed(*args: object, stdin: bytes | None = None):
    return CliRunner().invoke(app, ["embed", *map(str, args)], input=stdin)


def test_options_arrive(weights: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("(a b)\n\nc\n", encoding="utf8")
    out = tmp_path / "x.hdf5"
    options = ["--layers", "0,2", "--dtype", "float16", "--compression", "gzip", "--tokenized"]
    done = embed(weights, text, text, out, *options, "--forget-sentences")
    assert done.exit_code == 0, done.output
    assert "Wrote 6 entries to" in done.output
    assert "This takes about" in done.stderr
    with h5py.File(out) as file:
        assert sorted(file) == list("012345")
        assert (file["0"].shape, file["0"].dtype) == ((2, 2, WIDTH), np.float16)
        assert file["3"].compression == "gzip"
    assert embed(weights, text, out).exit_code == 1
    assert embed(weights, text, out, "-f", "--pool", "mean", "--layers", "top").exit_code == 0
    with h5py.File(out) as file:
        assert file["0"].shape == (WIDTH,)
    assert embed(weights, "-", tmp_path / "y.npy", stdin=b"a b\nc\n").exit_code == 0
    assert np.load(tmp_path / "y.offsets.npy").tolist() == [0, 2, 3]


def test_mistakes_take_one_line(weights: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a\n", encoding="utf8")
    for args in ([weights, text, tmp_path / "x.txt"], [weights, tmp_path / "no", "x.npy"]):
        done = embed(*args)
        assert done.exit_code == 1
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_killed_process_goes_on(weights: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("two words\n" * 100_000, encoding="utf8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "spacy_elmo", "embed", weights, text, out]
        return subprocess.Popen(
            list(map(str, command)), env=environment, text=True, stderr=subprocess.PIPE
        )

    through, out = tmp_path / "through.npy", tmp_path / "killed.npy"
    process = start(through)
    process.communicate()
    assert process.returncode == 0
    process = start(out)
    state = tmp_path / "killed.npy.partial" / "state.json"
    try:
        while not (state.exists() and '"input"' in state.read_text()):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    process = start(out)
    told = process.communicate()[1]
    assert process.returncode == 0, told
    assert "Going on after " in told
    assert out.read_bytes() == through.read_bytes()


def test_replaced_bytes_are_told(weights: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(b"a \xe9\nb \xff\n")
    message = "2 undecodable bytes replaced by U+FFFD"
    done = embed(weights, text, tmp_path / "x.npy")
    assert done.exit_code == 0, done.output
    assert message in done.stderr
    args = ["distill", weights, text, tmp_path / "x.vec", "--min-count", "1"]
    done = CliRunner().invoke(app, list(map(str, args)))
    assert done.exit_code == 0, done.output
    assert message in done.stderr  # not the sum over both times that it is read


@pytest.mark.parametrize(
    "option", [("--address", "auto"), ("--actors", 2), ("--cpus", 2), ("--column", "other")]
)
def test_options_of_ray_need_it(option: tuple[str, object], weights: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a\n", encoding="utf8")
    done = embed(weights, text, tmp_path / "x.npy", *option)
    assert done.exit_code == 1
    assert "are for --ray" in done.stderr
    assert not (tmp_path / "x.npy").exists()
