"""A console that may fail: what cannot be shown is not shown, and the work goes on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, TextIO, cast

_STANDARD = (0, 1, 2)


def keep_working() -> None:
    """Let no failure of standard error end this process, nor a character that it cannot show.

    Standard streams that were closed become the null device, or the next file that is opened would
    get what is written to them.
    """
    for handle in _STANDARD:
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if not isinstance(sys.stderr, _Lenient):
        sys.stderr = cast(TextIO, _Lenient(sys.stderr))


class _Lenient:
    """A stream that falls silent when writing to it fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if not self._failed:
            try:
                return self._stream.write(text)
            except (OSError, ValueError):  # a ValueError if it was closed
                self._failed = True
        return len(text)

    def flush(self) -> None:
        if not self._failed:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._failed = True


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf8")
