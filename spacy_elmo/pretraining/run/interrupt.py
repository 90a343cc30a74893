"""SIGTERM and SIGINT as a wish to stop where nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")


class Interrupted(Exception):
    """A signal came in the middle of something that is done anew the next time."""


class Interrupt:
    """Within this context the first SIGTERM or SIGINT is only noted; a second acts as ever.

    Attributes:
        signal: The signal that came; 0: none did.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        """Note signals from now on."""
        if threading.current_thread() is threading.main_thread():  # Python allows no other
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let signals act as before."""
        self._restore()

    def check(self) -> None:
        """Give up what is being done if a signal came.

        Raises:
            Interrupted: If so.
        """
        if self.signal:
            raise Interrupted

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with a `check` before each."""
        for item in items:
            self.check()
            yield item

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = int(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
