"""The log of a training, in JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spacy_elmo.files import write_text
from spacy_elmo.pretraining.report.metrics import entry_of
from spacy_elmo.pretraining.run.events import Event, RolledBack, Started


def read_log(path: Path) -> list[dict[str, Any]]:
    """Entries of a log; a last line that was cut short is left out."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries


class Log:
    """Writes a log file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: dict[str, Any] | None = None

    def __call__(self, event: Event) -> None:
        """Note an event; where a training goes on, what came after that step is forgotten."""
        if isinstance(event, Started | RolledBack):
            self.forget_after(event.step)
        elif (entry := entry_of(event)) is not None and entry != self.last:
            # The same again is what a run measured that was killed in its last phases.
            self.write(entry)
            self.last = entry

    def forget_after(self, step: int) -> None:
        """Drop entries beyond a step: a resumed run writes them anew."""
        kept = [entry for entry in read_log(self.path) if entry["step"] <= step]
        self.last = kept[-1] if kept else None
        if self.path.exists():
            write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))

    def write(self, entry: dict[str, Any]) -> None:
        """Add an entry."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf8") as file:
            file.write(json.dumps(entry) + "\n")
