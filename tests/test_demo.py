"""The demo that `make demo` runs, as a user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "examples" / "demo.py"


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_finds_senses_better_than_chance(shared):
    result = run(shared / "weights" / "en-interim")
    assert result.returncode == 0, result.stderr
    figures = re.search(r"^(\d+) of 20 .* \(\d+%; by chance (\d+)%\)", result.stdout, re.M)
    assert figures is not None, result.stdout
    # 90 of the 380 pairs share a sense, counted by hand from the sizes 7, 6, 4 and 3.
    assert figures[2] == "24"
    assert int(figures[1]) >= 10
    assert len(re.findall(r"^(money|shore|heap|rely) ", result.stdout, re.M)) == 20


@pytest.mark.parametrize("name", ["demo", "picture", "treebank"])
def test_help(name, tmp_path):
    """It is printed, and taken for no file to read or write."""
    command = [sys.executable, str(DEMO.with_name(f"{name}.py")), "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"python examples/{name}.py" in result.stdout
    assert not list(tmp_path.iterdir())


def test_says_what_it_needs(tmp_path):
    result = run(tmp_path / "absent")
    assert result.returncode == 1
    assert "absent" in result.stdout
    assert "Traceback" not in result.stderr


def test_every_word_of_a_treebank_has_a_vector(shared):
    script = DEMO.with_name("treebank.py")
    treebank = shared / "eval" / "ud-english-ewt" / "en_ewt-ud-dev.conllu"
    weights = shared / "weights" / "en-interim"
    command = [sys.executable, str(script), str(treebank), str(weights)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    texts, words = re.match(r"([\d,]+) texts, ([\d,]+) words in ", first).groups()
    assert texts == "2,001"
    assert int(words.replace(",", "")) > 25_000
    assert second == f"{words} words have a finite vector that is not zero"
