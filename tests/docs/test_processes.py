"""The Python of pages that is to be run in processes of its own, as scripts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import snippets

PAGE = snippets.ROOT / "docs/processes.md"
# What hangs is not waited for much longer than the slowest of these takes.
SECONDS = 240


@pytest.mark.timeout(SECONDS + 30)
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(0, id="threads"),
        pytest.param(1, id="error handler"),
        pytest.param(2, id="spawn", marks=pytest.mark.soak),
    ],
)
def test_processes(number: int, tmp_path: Path) -> None:
    found = snippets.blocks(PAGE, "python")
    assert len(found) == 3
    script = tmp_path / "script.py"
    script.write_text(found[number], "utf8")
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    if number == 1:
        assert "fails_on_x: no x, please" in done.stderr
