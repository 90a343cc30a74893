"""A trained model over an older one: killed at any point, the folder holds the old or the new."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Each writer is a process of its own, killed at its n-th call of something, or after a while.
WRITERS = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from spacy_elmo import files, replacing
from spacy_elmo.formats import load
from spacy_elmo.pretraining.report.output import write_output
from tests.formats.models import assert_same
from tests.formats.test_generation import generation

torch.set_num_threads(1)
out = Path("out")
models = [generation(0), generation(1)]
write_output(models[0], out, "card 0", [])
(out / "training").mkdir()
(out / "training/step-1").write_text("checkpoint")

def check():
    found = load(out)
    number = int(found.vocabulary == models[1].vocabulary)
    assert_same(found, models[number])
    assert (out / "README.md").read_text() == f"card {number}", number
    assert (out / "training/step-1").read_text() == "checkpoint"
    return number

def killed_at(number, before_write):
    child = os.fork()
    if not child:
        before_write()
        write_output(models[number], out, f"card {number}", [])
        os._exit(0)
    return child

def ended(child):
    return os.waitpid(child, 0)[1]

def at(place, name, count, after=False):
    def arm():
        original, calls = getattr(place, name), 0
        def dying(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == count and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            given = original(*arguments, **options)
            if calls == count and after:
                os.kill(os.getpid(), signal.SIGKILL)
            return given
        setattr(place, name, dying)
    return arm

points = [
    (os, "link", 1, False), (os, "link", 4, False), (replacing, "_link", 1, True),
    (replacing, "exchange", 1, False), (replacing, "exchange", 1, True),
]
told = []
for point in points if sys.argv[1] == "points" else []:
    write_output(models[0], out, "card 0", [])
    assert ended(killed_at(1, at(*point))) == signal.SIGKILL, point
    told.append(check())
for _ in range(0 if sys.argv[1] == "points" else int(sys.argv[1])):
    child = os.fork()
    while not child:
        for number in (1, 0):
            write_output(models[number], out, f"card {number}", [])
    time.sleep(random.uniform(0, 0.3))
    os.kill(child, signal.SIGKILL)
    ended(child)
    told.append(check())
assert not ended(killed_at(1, lambda: None))
assert check() == 1
assert [path.name for path in Path().iterdir()] == ["out"]
assert {p.name for p in out.iterdir()} == {"training", "README.md", "curves.svg", *map(str, (
    "config.json", "vocab.txt", "weights.safetensors", "softmax.safetensors"))}
print(*told)
"""


def write_and_kill(folder: Path, how: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", WRITERS, how],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


linux = pytest.mark.skipif(sys.platform != "linux", reason="in one step there")


@linux
def test_killed_at_chosen_points(tmp_path: Path) -> None:
    assert write_and_kill(tmp_path, "points") == ["0", "0", "0", "0", "1"]


@linux
@pytest.mark.soak
def test_killed_at_any_moment(tmp_path: Path) -> None:
    told = write_and_kill(tmp_path, "60")
    assert {"0", "1"} == {*told}
