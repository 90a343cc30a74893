"""Whether what a server sent is the file that was asked for, by its first bytes and its hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from spacy_elmo.catalogue.entries import File
from spacy_elmo.errors import DownloadError, ElmoError, problem
from spacy_elmo.files import read_json

# First bytes by the ending of the name.
_STARTS = {
    ".hdf5": b"\x89HDF\r\n\x1a\n",
    ".h5": b"\x89HDF\r\n\x1a\n",
    ".zip": b"PK",
    ".gz": b"\x1f\x8b",
    ".tgz": b"\x1f\x8b",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\x00",
}
# What servers send in place of a file, without saying that it is an error.
_PAGES = {
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
    b"<error": "an XML document",
    b"version https://git-lfs": "a pointer of Git LFS",
}
_BLOCK = 1 << 20


def check_start(file: File, path: Path) -> None:
    """Check the first bytes of a file that may not be whole yet.

    Args:
        file: What it is to be.
        path: Where it is.

    Raises:
        DownloadError: For a page or an error document in its place, and for another kind of file.
    """
    with path.open("rb") as opened:
        first = opened.read(512)
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, kind in _PAGES.items():
        if text.startswith(start):
            shown = " ".join(first.decode("utf8", "replace").split())[:200]
            what = f"is {kind}, and not {file.name}: {shown}"
            advice = "The file may have moved, or need a login: open the address in a browser"
            raise problem(f"{file.url}", what, advice, error=DownloadError)
    expected = _STARTS.get(Path(file.name).suffix.lower())
    if expected is not None and not first.startswith(expected):
        what = f"does not begin as a {Path(file.name).suffix} file does: {first[:16]!r}"
        raise problem(f"{file.url}", what, "It is another file", error=DownloadError)


def check_whole(file: File, path: Path) -> dict[str, str]:
    """Check a file that is all there.

    Args:
        file: What it is to be.
        path: Where it is.

    Returns:
        Its sha256, by that name, and the hashes that it was checked by.

    Raises:
        DownloadError: For another size or hash than expected, and options that are none.
    """
    size = path.stat().st_size
    if file.bytes not in (None, size):
        what = f"has {size:,} bytes, expected {file.bytes:,}"
        raise problem(path, what, "It was cut, or is another file", error=DownloadError)
    check_start(file, path)
    expected = file.hashes or {}
    found = file_hashes(path, {"sha256", *expected})
    for kind, digest in expected.items():
        if found[kind] != digest:
            what = f"has the {kind} {found[kind]}, expected {digest}: it is another file"
            advice = "If you know it to be good, give --sha256 with its own; it was not kept"
            raise problem(f"{file.url or path}", what, advice, error=DownloadError)
    if file.role == "options":
        try:
            values = read_json(path)
        except ElmoError as error:
            raise DownloadError(str(error)) from error
        if "lstm" not in values:
            what = f"is no options file: it has no key 'lstm', only {sorted(values)[:5]}"
            raise problem(f"{file.url or path}", what, error=DownloadError)
    return found


def file_hashes(path: Path, kinds: Iterable[str]) -> dict[str, str]:
    """Hashes of a file, in one pass.

    Args:
        path: The file.
        kinds: Names of hashes, as `hashlib` knows them.

    Returns:
        The hexadecimal digits by name.
    """
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            for each in hashes.values():
                each.update(block)
    return {kind: each.hexdigest() for kind, each in sorted(hashes.items())}
