"""Locks on files and directories that end with the process that holds them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class NoLocks(OSError):
    """The system, or the file system, has no such locks."""


def lock(path: Path) -> int | None:
    """Lock a file or directory, against other processes and threads.

    Args:
        path: It must exist. Directories are locked as such, whatever becomes of their names.

    Returns:
        What `unlock` takes; None if another holds the lock.

    Raises:
        NoLocks: Where there are none.
        OSError: If the path cannot be opened.
    """
    if sys.platform == "win32":
        raise NoLocks("this system locks no directories")
    # A network file system asks for a file that may be written.
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError as error:
        os.close(handle)
        raise NoLocks(f"{path} cannot be locked: {error}") from error
    return handle


def unlock(handle: int) -> None:
    """Give a lock back."""
    os.close(handle)


def is_of(handle: int, path: Path) -> bool:
    """Whether a lock is that of what bears this name now."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
