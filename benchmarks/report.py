"""The table: one row per figure, printed at the end; progress as it goes."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """what: What was measured. figure: The result. aim: What it is held to, if anything."""

    what: str
    figure: str
    value: float
    aim: str = ""


@dataclass
class Report:
    """Collects rows. machine: The first line."""

    machine: str
    rows: list[Row] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)

    def progress(self, what: str) -> None:
        """Say on stderr what is being measured now."""
        print(f"[{time.perf_counter() - self.start:5.0f} s] {what}", file=sys.stderr, flush=True)

    def add(self, what: str, figure: str, value: float, aim: str = "") -> None:
        """Add a row."""
        self.rows.append(Row(what, figure, value, aim))
        self.progress(f"  {what}: {figure}" + (f" (aim: {aim})" if aim else ""))

    def markdown(self) -> str:
        """The table, as it stands in the README."""
        lines = [self.machine, "", "| what | measured | aim |", "|---|---|---|"]
        lines += [f"| {row.what} | {row.figure} | {row.aim} |" for row in self.rows]
        return "\n".join(lines)

    def write_json(self, path: Path) -> None:
        """The same as JSON."""
        values = {"machine": self.machine, "rows": [asdict(row) for row in self.rows]}
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf8")
