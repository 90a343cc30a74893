"""The folder where the package keeps what it downloaded or unpacked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "SPACY_ELMO_HOME"


def home() -> Path:
    """The cache folder; it need not exist.

    The environment variable `SPACY_ELMO_HOME`, else `spacy-elmo` in the platform's folder for the
    user's caches.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        caches = "~/Library/Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "spacy-elmo"
