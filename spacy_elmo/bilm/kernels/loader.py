"""Whether there are compiled kernels, and which instruction set they use.

The environment variable `SPACY_ELMO_KERNELS` decides for a process: `0` turns the kernels off, the
name of an instruction set forces it, `1` or nothing takes the best set that the processor offers.
Anything else is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from spacy_elmo.errors import ElmoError

try:
    import spacy_elmo.bilm.kernels._kernels as extension
except ImportError:  # installed without a C compiler
    extension = None  # type: ignore[assignment]

__all__ = [
    "BEST",
    "OFF",
    "VARIABLE",
    "extension",
    "in_use",
    "instruction_set_for",
    "offered",
    "use",
]

VARIABLE = "SPACY_ELMO_KERNELS"
OFF = "0"
BEST = "1"


@cache
def offered() -> tuple[str, ...]:
    """Instruction sets that the processor and the build offer, from the slowest to the fastest.

    Returns:
        Their names; none where the extension was not built.
    """
    return () if extension is None else extension.instruction_sets()


def in_use() -> str | None:
    """The instruction set that the kernels use.

    Returns:
        Its name, or None where PyTorch does their work.

    Raises:
        ElmoError: `SPACY_ELMO_KERNELS` names a set that is not there.
    """
    return _choice(_forced if _forced is not None else os.environ.get(VARIABLE, BEST))


def instruction_set_for(
    stored: torch.dtype, computed: torch.dtype, device: torch.device
) -> str | None:
    """The instruction set that a kernel uses for tensors of a kind.

    Args:
        stored: Float type of what it reads and writes most; kernels know float32 and bfloat16.
        computed: Float type of everything else, in which everything is computed; they know float32.
        device: Where they are; kernels run on a CPU.

    Returns:
        Its name, or None where PyTorch does the work.
    """
    if device.type != "cpu" or computed != torch.float32:
        return None
    return in_use() if stored in (torch.float32, torch.bfloat16) else None


@contextmanager
def use(choice: str) -> Iterator[None]:
    """Use a set, or none, in this process and for a while, whatever the environment says.

    Args:
        choice: Name of an instruction set; "0": PyTorch; "1": the best set.

    Raises:
        ElmoError: There is no such set.
    """
    global _forced
    _choice(choice)
    before, _forced = _forced, choice
    try:
        yield
    finally:
        _forced = before


_forced: str | None = None


def _choice(choice: str) -> str | None:
    sets = offered()
    if choice == OFF:
        return None
    if choice in sets:
        return choice
    if choice in ("", BEST):
        return _best(sets)
    there = ", ".join(sets) or "none: the kernels were not built"
    raise ElmoError(
        f"{VARIABLE} is {choice!r}: expected 0 (off), 1 (the best instruction set), or a set that "
        f"is there ({there})"
    )


@cache
def _best(sets: tuple[str, ...]) -> str | None:
    # Where the compiler built no more than a baseline, PyTorch's own AVX2 operations are faster.
    if sets == ("baseline",) and torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        return None
    return sets[-1] if sets else None
