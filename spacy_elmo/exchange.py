"""Two directories change places in one step, where the system can: Linux and macOS."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

# Of renameat2 (Linux) and renamex_np (macOS): change the places of two names.
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2


def exchange(first: Path, second: Path) -> bool:
    """Let two directories change places in one step.

    Args:
        first: A directory.
        second: Another, in the same file system; neither is inside the other.

    Returns:
        Whether the system could.
    """
    names = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            done = library.renamex_np(*names, _RENAME_SWAP)
        else:
            done = library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    except (AttributeError, OSError, TypeError):  # no such function, or library, here
        return False
    return bool(done == 0)
