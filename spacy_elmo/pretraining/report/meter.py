"""How much of some input is read: a bar where somebody watches, else a line now and then.

Nothing heavy is imported here: some commands that have a bar do without PyTorch.
"""

from __future__ import annotations

import sys
import time
from typing import Any

FIRST_LINE = 2.0


def time_left(seconds: float, share: float) -> str:
    """Time left at the same pace, once a share of the work has taken so many seconds.

    >>> time_left(60.0, 0.25)
    '0:03:00'
    """
    if share <= 0.0:
        return "?"
    left = round(seconds * max(0.0, 1.0 - share) / share)
    return f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"


class Meter:
    """Counts bytes and tells of it on standard error. A context, at whose end the bar is closed.

    Args:
        total: Bytes of the input; None: it is not known.
        seconds: Between two plain lines.
    """

    def __init__(self, total: int | None, *, seconds: float = 30.0) -> None:
        self.total = total
        self.seconds = seconds
        self.read = 0
        self.began = time.monotonic()
        self.due = self.began + min(seconds, FIRST_LINE)
        self.bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=total, unit="B", unit_scale=True)

    def __enter__(self) -> Meter:
        """Nothing but this object."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the bar, also after an error."""
        self.close()

    def close(self) -> None:
        """Close the bar; what is said from now on is lines."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def advance(self, size: int) -> None:
        """So many bytes more are read."""
        self.read += size
        if self.bar is not None:
            self.bar.update(size)
        elif time.monotonic() >= self.due:
            self.due = time.monotonic() + self.seconds
            print(self._line(), file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Tell what begins when all is read."""
        self.close()
        print(line, file=sys.stderr, flush=True)

    def _line(self) -> str:
        read = f"{self.read / 1e6:,.1f} MB read"
        if not self.total:
            return read
        share = self.read / self.total
        left = time_left(time.monotonic() - self.began, share)
        return f"{share:7.2%}  {read}  left {left}"
