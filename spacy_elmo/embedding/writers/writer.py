"""What all writers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from spacy_elmo.embedding.entries import Entry
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.work import Work
from spacy_elmo.types import Array


class Writer(ABC):
    """Writes the vectors of entries, in order; a context, at whose end the output is complete.

    The output appears when the block ends well. If it fails or its process is killed, what was safe
    at the last `checkpoint` is kept beside it, and the next writer with the same arguments goes on
    from there: its `n_entries` says how many entries are written already.

    Args:
        path: The output.
        spec: What is written.
        force: Replace an output that exists, and what another run left.
        identity: What tells this run from others, beside `spec`.

    Attributes:
        n_entries: Entries that are written.
        n_rows: Rows that are written.
        note: What the last `checkpoint` was given to remember.
        is_done: Whether the output is complete, so that there is nothing to write.

    Raises:
        FileExistsError: If the output is there already, or another run is at work on it.
        EmbeddingError: If another run left something there, or a package is missing.
        ValueError: For options that the format does not have.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    needs_docs: ClassVar[bool] = False
    """Whether entries must hold their Docs."""
    keeps_texts: ClassVar[bool] = False
    """Whether the texts are kept beside the rows."""
    two_copies: ClassVar[bool] = True
    """Whether there is room needed for everything twice while it is put together."""
    entry_bytes: ClassVar[int] = 8
    """About what an entry takes beside its rows."""

    def __init__(
        self,
        path: str | Path,
        spec: Spec,
        *,
        force: bool = False,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self.spec = spec
        self.n_entries = 0
        self.n_rows = 0
        self.note: dict[str, Any] = {}
        own = {"output": self.path.suffix.lower(), **spec.to_dict(), **self.identity()}
        self._work = Work(self.path, {**own, **(identity or {})}, force)

    def identity(self) -> dict[str, Any]:
        """Options of the format that make a difference to the output."""
        return {}

    def existing(self) -> list[Path]:
        """Files of an output of this name that are there."""
        return [self.path] if self.path.exists() else []

    @property
    def is_done(self) -> bool:
        """Whether the output is complete, so that there is nothing to write."""
        return self._work.is_done

    def __enter__(self) -> Writer:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._work.open(self.existing())
            state = self._work.state
            self.n_entries, self.n_rows = state.get("n_entries", 0), state.get("n_rows", 0)
            self.note = state.get("note", {})
            if not self.is_done:
                self._open(state.get("own", {}))
        except BaseException:
            self._work.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.is_done:
                return
            if kind is None:
                self.checkpoint(self.note)
            self._close()
            if kind is None:
                self._put_together(self._work.out())
                self._work.finish(self.existing())
            elif not self._work.state:  # nothing is safe that could be gone on from
                self._work.remove()
        finally:
            self._work.close()

    def write(self, entry: Entry, rows: Array) -> None:
        """Write an entry.

        Args:
            entry: The entry.
            rows: *Shape:* (n_tokens, *spec.row_shape), or `spec.row_shape` where they are pooled.

        Raises:
            EmbeddingError: For rows that do not fit.
        """
        rows = self.spec.cast(self.n_entries, rows[None] if self.spec.pool else rows)
        self._write(entry, rows)
        self.n_entries += 1
        self.n_rows += len(rows)

    def checkpoint(self, note: dict[str, Any] | None = None) -> None:
        """Make safe what is written.

        Args:
            note: What to remember with it, as JSON.
        """
        self.note = note or {}
        own = self._flush()
        state = {"n_entries": self.n_entries, "n_rows": self.n_rows, "note": self.note, "own": own}
        self._work.save(state)

    def restart(self) -> None:
        """Drop what an earlier run left, and begin with the first entry."""
        if not self.is_done:
            self._close()
        self._work.restart()
        self.n_entries, self.n_rows, self.note = 0, 0, {}
        self._open({})

    @property
    def folder(self) -> Path:
        """Where the parts are."""
        return self._work.folder

    @abstractmethod
    def _open(self, state: dict[str, Any]) -> None:
        """Go on from what `_flush` gave; {}: begin."""

    @abstractmethod
    def _write(self, entry: Entry, rows: Array) -> None:
        """Take an entry with its rows in the number type of the output."""

    @abstractmethod
    def _flush(self) -> dict[str, Any]:
        """Bring what is written to disk; what `_open` needs to go on from here."""

    def _close(self) -> None:  # noqa: B027, a format may have none
        """Close files."""

    @abstractmethod
    def _put_together(self, out: Path) -> None:
        """Make the files of the output in an empty folder."""
