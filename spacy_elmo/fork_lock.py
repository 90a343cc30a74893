"""Locks that a forked process finds open, however its parent's threads held them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import MethodType
from typing import Any
from weakref import WeakMethod, WeakSet


class ForkLock:
    """A lock that another thread of the parent cannot leave locked in a forked child.

    A fork copies locks as they are, but no thread beside the one that forks: who held a lock is not
    there to give it back, and the first to ask for it would wait for ever. What such a lock guards
    may be half changed, so its owner is told.

    Args:
        repair: A method that is called in a child whose parent held the lock in another thread. It
            puts what the lock guards into a state that can be used. It is held weakly.
    """

    def __init__(self, repair: Callable[[], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._repair = WeakMethod(repair) if isinstance(repair, MethodType) else None
        _every.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()
        self._holder = threading.get_ident()

    def __exit__(self, *error: object) -> None:
        self._holder = None
        self._lock.release()

    def __reduce__(self) -> Any:
        raise TypeError("a lock can be neither copied nor pickled")

    def after_fork(self) -> None:
        """Open the lock in a child, unless the thread that forked holds it itself."""
        if self._holder == threading.get_ident():
            return
        was_held = self._holder is not None
        # Also where `locked()` says no: a thread may have been about to get the lock, outside of
        # the interpreter's own, at the moment of the fork.
        self._lock = threading.Lock()
        self._holder = None
        if not was_held:
            return
        repair = None if self._repair is None else self._repair()
        if repair is not None:
            repair()


_every: WeakSet[ForkLock] = WeakSet()


def _after_fork() -> None:
    for lock in list(_every):
        lock.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
