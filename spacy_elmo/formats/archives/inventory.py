"""What an archive says that it holds, checked before anything of it is written."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from spacy_elmo.errors import ElmoError, problem

# Weights hardly compress; what grows more than so many times is made to fill the disk. Small
# archives may hold mostly text or zeros.
LARGEST_RATIO = 20
ALWAYS_ALLOWED = 2**24
LARGEST_TOTAL = 2**36
MOST_MEMBERS = 10_000
LONGEST_NAME = 1_000

_DISTRUST = "Do not trust it, get the weights anew"
_DRIVE = re.compile(r"[A-Za-z]:")
# What the systems of those who pack leave among the files.
_LITTER = re.compile(r"(.*/)?(__MACOSX/.*|\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini)")


def allowed_bytes(path: Path) -> int:
    """Bytes that an archive may unpack to, by its own size."""
    return min(LARGEST_TOTAL, max(ALWAYS_ALLOWED, LARGEST_RATIO * path.stat().st_size))


class Inventory:
    """Names and sizes of the members of an archive, each checked when it is added.

    Args:
        path: The archive.

    Attributes:
        path: The archive.
        sizes: Declared bytes of each file by its name, folders between slashes. Files that only
            the system of whoever packed them understands are left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sizes: dict[str, int] = {}
        self._seen: dict[str, bool] = {}
        self._count = 0
        self._total = 0
        self._allowed = allowed_bytes(path)

    def add(self, name: str, size: int, *, is_folder: bool) -> str:
        """Check a member, and note it.

        Args:
            name: As the archive spells it.
            size: Bytes that it says it has.
            is_folder: Whether it is a folder.

        Returns:
            Its name, clean.

        Raises:
            WeightsError: For a name that leads out of the archive or stands twice, and sizes
                beyond all bounds.
        """
        self._count += 1
        if self._count > MOST_MEMBERS:
            raise problem(self.path, f"holds more than {MOST_MEMBERS:,} members", _DISTRUST)
        clean = self._clean(name, is_folder)
        self._once(name, clean, is_folder)
        if is_folder:
            return clean
        if size < 0:
            raise self.refusal(name, f"says that it has {size} bytes")
        self._total += size
        if self._total > self._allowed:
            what = (
                f"says that it has {size:,} bytes, {self._total:,} with those before it: expected "
                f"at most {self._allowed:,} of an archive of {self.path.stat().st_size:,}"
            )
            raise self.refusal(name, what)
        if not _LITTER.fullmatch(clean):
            self.sizes[clean] = size
        return clean

    def refusal(self, name: str, what: str, advice: str = _DISTRUST) -> ElmoError:
        """The error for something wrong with a member."""
        return problem(self.path, f"member {name!r} {what}", advice)

    def _clean(self, name: str, is_folder: bool) -> str:
        text = name.replace("\\", "/")
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if text.startswith("/") or _DRIVE.match(text):
            raise self.refusal(name, "has an absolute name")
        if ".." in parts:
            raise self.refusal(name, "has a name that leads out of the archive ('..')")
        if any(unicodedata.category(character) == "Cc" for character in text):
            raise self.refusal(name, "has a name with control characters")
        if not parts and not is_folder:
            raise self.refusal(name, "has no name that a file can have")
        if len(text) > LONGEST_NAME or any(len(os.fsencode(part)) > 255 for part in parts):
            raise self.refusal(f"{name[:40]}...", "has a name that is too long")
        return "/".join(parts)

    def _once(self, name: str, clean: str, is_folder: bool) -> None:
        # Some file systems take names for the same that differ in case, or in how accents are
        # spelled.
        key = unicodedata.normalize("NFC", clean).casefold()
        known = self._seen.get(key)
        if known is not None and not (known and is_folder):
            raise self.refusal(name, "stands there twice")
        self._seen[key] = is_folder
        while "/" in key:
            key = key.rpartition("/")[0]
            if self._seen.setdefault(key, True) is False:
                raise self.refusal(name, "is in a folder that is also a file")
