"""The log of a training, in JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spacy_elmo.files import write_text
from spacy_elmo.pretraining.report.metrics import entry_of
from spacy_elmo.pretraining.run.events import Event, RolledBack, Started


def read_log(path: Path) -> list[dict[str, Any]]:
    """Entries of a log, as far as it is whole: a last line may have been cut short."""
    return read_whole(path)[0]


def read_whole(path: Path) -> tuple[list[dict[str, Any]], str | None]:
    """Entries of a log, up to the first that is none.

    Returns:
        The entries, and what was lost to damage, in words; None if nothing was, or a last line that
        was being written when its process was killed.
    """
    if not path.exists():
        return [], None
    entries: list[dict[str, Any]] = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line and number == len(lines):
            break
        entry = _entry(line)
        if entry is None:
            damage = (
                f"{path} is damaged: what follows line {number - 1} of {len(lines) - 1} is lost"
            )
            return entries, None if number == len(lines) else damage
        entries.append(entry)
    return entries, None


def _entry(line: bytes) -> dict[str, Any] | None:
    """A line as an entry, or None if it is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    counts = [entry.get("step"), entry.get("tokens")]
    values = [entry.get(name, []) for name in ("loss", "heldout")]
    if not all(isinstance(each, list) for each in values):
        return None
    numbers = [number for each in values for number in each]
    if "heldout" in entry:
        numbers.append(entry.get("heldout_average"))
    if not all(isinstance(value, int) and value >= 0 for value in counts):
        return None
    if not all(isinstance(value, int | float) and value == value for value in numbers):
        return None
    return entry


class Log:
    """Writes a log file.

    Args:
        path: The file.

    Attributes:
        damage: What was found lost of an earlier run's entries, in words, or None.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: dict[str, Any] | None = None
        self.damage: str | None = None

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
        entries, self.damage = read_whole(self.path)
        kept = [entry for entry in entries if entry["step"] <= step]
        self.last = kept[-1] if kept else None
        if self.path.exists():
            write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))

    def write(self, entry: dict[str, Any]) -> None:
        """Add an entry."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf8") as file:
            file.write(json.dumps(entry) + "\n")
