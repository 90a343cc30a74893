"""How far an embedding is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far an embedding is.

    Attributes:
        n_entries: Entries that are written.
        n_tokens: Tokens that were read by this process.
        resumed: Entries that an earlier process wrote.
        seconds: Since this process began to compute.
        expected: About how many entries there are; None: not known.
        n_bytes: About how much the output will take while it is made; None: not known.
        is_finished: Whether the output is complete.
    """

    n_entries: int
    n_tokens: int = 0
    resumed: int = 0
    seconds: float = 0.0
    expected: float | None = None
    n_bytes: int | None = None
    is_finished: bool = False
