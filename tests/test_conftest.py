"""What a run of the tests says of those that could not run, and which it leaves out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

TESTS = """
import pytest

def test_one(shared): pass
def test_two(shared): pass
def test_other(): pytest.skip("another reason")

@pytest.mark.soak
def test_long(): print("so long")
"""


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/test_it.py", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_line_for_absent_data_and_soak_on_demand(tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    (folder / "tests").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "tests/conftest.py", folder / "tests")
    (folder / "tests/test_it.py").write_text(TESTS, "utf8")
    told = run(folder)
    assert told.count("reference data of ../shared") == 1
    assert "2 tests need the reference data of ../shared, which is not here" in told
    assert "another reason" in told
    assert "1 skipped, 1 deselected, 2 without reference data" in told
    assert "1 passed, 3 deselected" in run(folder, "-m", "soak")
