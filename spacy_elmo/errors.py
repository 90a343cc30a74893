"""The one error of everything that reads or writes weights."""

from __future__ import annotations

from pathlib import Path


class WeightsError(ValueError):
    """Weights that cannot be read or written: the message says what is wrong, where, what to do."""


def problem(path: Path, what: str, advice: str = "", *, tensor: str | None = None) -> WeightsError:
    """Build the error.

    path: The file or directory at fault.
    what: What was found, and what was expected instead. advice: What the user can do.
    tensor: Name of the tensor at fault, as the file spells it.
    """
    where = f"{path}: " if tensor is None else f"{path}: tensor {tensor!r}: "
    return WeightsError(f"{where}{what}. {advice}".strip())
