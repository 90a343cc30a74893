"""Results as a Markdown table on the screen and as JSON in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_START = time.perf_counter()


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned.

    >>> print(markdown(["layer", "accuracy"], [["0", "50.0 %"]]))
    | layer | accuracy |
    |-------|----------|
    | 0     | 50.0 %   |
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


def percent(share: float) -> str:
    """A share as percents.

    >>> percent(0.5)
    '50.0 %'
    """
    return f"{100 * share:.1f} %"


def finish(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    values: Any,
    path: Path | None,
) -> None:
    """Print a table, and write the figures behind it where asked."""
    seconds = time.perf_counter() - _START
    print(f"{title} ({seconds:.0f} s)\n\n{markdown(header, rows)}")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"title": title, "seconds": round(seconds, 1), "values": values}
        path.write_text(json.dumps(document, indent=2) + "\n", "utf8")
