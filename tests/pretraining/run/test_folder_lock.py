"""One training at a time in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_elmo import locks
from spacy_elmo.errors import TrainingError
from spacy_elmo.pretraining.run import folder_lock as module
from spacy_elmo.pretraining.run.folder_lock import LOCK, folder_lock

HOLDER = """
import sys
from pathlib import Path
from spacy_elmo.pretraining.run.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_the_other_process_is_named_and_its_lock_ends_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "training")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with (
            pytest.raises(TrainingError, match=f"at work there, process {holder.pid} on "),
            folder_lock(tmp_path / "training"),
        ):
            pass
        holder.kill()
        holder.wait(60)
    for _ in range(2):  # and given back
        with folder_lock(tmp_path / "training") as warning:
            assert warning is None
            assert f'"process": {os.getpid()},' in (tmp_path / "training" / LOCK).read_text()


def test_a_file_that_names_nobody(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        (tmp_path / LOCK).write_text("[]")
        with (
            pytest.raises(TrainingError, match="a process that is just starting"),
            folder_lock(tmp_path),
        ):
            pass


def test_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(path: Path) -> int | None:
        raise locks.NoLocks(f"{path} cannot be locked")

    monkeypatch.setattr(module, "lock", none)
    with folder_lock(tmp_path) as warning:
        assert warning is not None
        assert "See to it that no other training works in" in warning
