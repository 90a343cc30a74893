"""What a training tells: a log in JSON lines, a progress bar or plain lines."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


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
    """A log file, from a step on.

    path: The file. step: Entries beyond it are dropped: a resumed run writes them anew.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        kept = [entry for entry in read_log(path) if entry["step"] <= step]
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".tmp")
        aside.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf8")
        aside.replace(path)

    def write(self, entry: dict[str, Any]) -> None:
        """Add an entry."""
        with self.path.open("a", encoding="utf8") as file:
            file.write(json.dumps(entry) + "\n")


class Progress:
    """A bar where somebody watches and tqdm is installed, else a line now and then.

    shown: Whether to show anything at all. seconds: Between two plain lines.
    """

    def __init__(self, *, shown: bool = True, seconds: float = 30.0) -> None:
        self.shown = shown
        self.seconds = seconds
        self.last = time.monotonic()
        self.bar: Any = None
        if shown and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            layout = "{percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
            self.bar = tqdm(total=1.0, bar_format=layout)

    def say(self, line: str) -> None:
        """Print a line."""
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        elif self.shown:
            print(line, file=sys.stderr, flush=True)

    def update(self, share: float, step: int, numbers: dict[str, str]) -> None:
        """Show how far the training is.

        share: Share of the budget used. numbers: What to show beside it.
        """
        if self.bar is not None:
            self.bar.n = min(share, 1.0)
            self.bar.set_postfix(numbers)
        elif time.monotonic() - self.last >= self.seconds:
            self.last = time.monotonic()
            shown = " ".join(f"{name} {value}" for name, value in numbers.items())
            self.say(f"{share:7.2%}  step {step}  {shown}")

    def close(self) -> None:
        """Take the bar down."""
        if self.bar is not None:
            self.bar.close()
