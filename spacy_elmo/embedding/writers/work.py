"""The folder beside an output in which it is written, and by which a killed run goes on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from spacy_elmo.errors import EmbeddingError
from spacy_elmo.files import move_files, new_file, place_of, read_json, write_json
from spacy_elmo.locks import NoLocks, is_of, lock, unlock

PARTIAL = ".partial"
STATE = "state.json"
_OUT = "out"
_WRITING, _MOVING = "writing", "moving"


class Work:
    """The folder `OUTPUT.partial`: locked while its process lives, kept when that fails.

    Its `state.json` says how much is safe. What belongs together at the end lies in a folder in it
    and is moved file by file.

    Args:
        output: The file to be.
        identity: What tells this run from others.
        force: Whether an output may be replaced, and the remains of another run.

    Attributes:
        folder: The folder.
        state: What is safe, as it was given to `save`.
        is_done: Whether the files were complete, and had only to be moved.

    Raises:
        FileExistsError: If an output is there that may not be replaced, or another run is at work.
        EmbeddingError: If the remains are those of another run.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any], force: bool) -> None:
        self.output = place_of(output)
        self.folder = self.output.with_name(self.output.name + PARTIAL)
        self.identity = dict(identity)
        self.state: dict[str, Any] = {}
        self.is_done = False
        self._force = force
        self._handle: int | None = None

    def open(self, existing: Sequence[Path]) -> None:
        """Take the folder; finish what was complete.

        Args:
            existing: Files of the output that are there.
        """
        if self.output.is_dir():
            raise FileExistsError(f"{self.output} is a folder: give the name of a file")
        if self.folder.exists():
            self._lock()
            self._take_over()
            if self.is_done:
                return
        if existing and not self._force:
            self.close()
            raise FileExistsError(
                f"{existing[0]} exists already: give another name, or force to replace it"
            )
        if not self.folder.exists():
            self._begin()
        elif not self.state:
            self.save({})

    def _take_over(self) -> None:
        names = {path.name for path in self.folder.iterdir() if not path.name.endswith(".tmp")}
        if STATE not in names:
            if names:
                raise FileExistsError(
                    f"{self.folder} exists and is not what a killed run leaves: move it away"
                )
            return
        saved = read_json(self.folder / STATE, error=EmbeddingError)
        before = saved.get("identity", {})
        if before != self.identity:
            if not self._force:
                names = {*before, *self.identity}
                different = sorted(n for n in names if before.get(n) != self.identity.get(n))
                raise EmbeddingError(
                    f"{self.folder} holds what another run left, with other {', '.join(different)}:"
                    " run that one again to finish it, or force to start anew"
                )
            self.remove()
            return
        self.state = saved["state"]
        if saved["phase"] == _MOVING:
            self._move(saved["outputs"], saved["old"])
            self.is_done = True

    def restart(self) -> None:
        """Drop what another run left, and take an empty folder."""
        if self.folder.exists():
            self.remove()
        self.is_done = False
        self._begin()

    def _begin(self) -> None:
        self.folder.mkdir(parents=True)
        self._lock()
        self.save({})

    def save(self, state: dict[str, Any]) -> None:
        """Make this the state that a killed run goes on from. Its files are flushed already."""
        self.state = state
        self._write({"phase": _WRITING, "state": state})

    def out(self) -> Path:
        """An empty folder for the files of the output."""
        folder = self.folder / _OUT
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def finish(self, existing: Sequence[Path]) -> None:
        """Move the files of `out` to where they belong.

        Args:
            existing: Files of an older output; those not among the new ones are removed.
        """
        outputs = sorted(path.name for path in (self.folder / _OUT).iterdir())
        old = [path.name for path in existing if path.name not in outputs]
        self._write({"phase": _MOVING, "state": self.state, "outputs": outputs, "old": old})
        self._move(outputs, old)

    def _move(self, outputs: Sequence[str], old: Sequence[str]) -> None:
        last = self.output.name if self.output.name in outputs else outputs[0]
        move_files(self.folder / _OUT, self.output.parent, last, old)
        self.remove()

    def close(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            unlock(self._handle)
            self._handle = None

    def remove(self) -> None:
        """Remove the folder, the state last: whoever finds none finds nothing else."""
        for path in self.folder.iterdir():
            if path.name != STATE:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
        with suppress(FileNotFoundError):
            (self.folder / STATE).unlink()
        self.folder.rmdir()
        self.close()

    def _write(self, values: dict[str, Any]) -> None:
        with new_file(self.folder / STATE) as aside:
            write_json(aside, {"identity": self.identity, **values})

    def _lock(self) -> None:
        try:
            self._handle = lock(self.folder)
        except NoLocks:
            return
        if self._handle is None or not is_of(self._handle, self.folder):
            self.close()
            raise FileExistsError(
                f"{self.folder}: another run is at work on it. Wait for its end, or give another "
                "name"
            )
