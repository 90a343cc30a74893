"""What is no plain text: known by the suffix of its name, or by its first bytes."""

from __future__ import annotations

import codecs

_UNPACK = "unpack it and give the files of text in it"
_EXTRACT = "extract its text into a .txt file, one paragraph per line"
_COLUMN = "write its column of text into a .txt file, one paragraph per line"
_SPACY = "convert it by `spacy convert` and give the .spacy file"

FOREIGN_SUFFIXES = {
    ".json": "write one object per line, and name it .jsonl",
    **dict.fromkeys((".csv", ".tsv", ".xlsx", ".xls", ".ods"), _COLUMN),
    **dict.fromkeys((".parquet", ".arrow", ".feather", ".avro", ".sqlite", ".db"), _COLUMN),
    **dict.fromkeys((".html", ".htm", ".xhtml", ".xml", ".pdf", ".epub"), _EXTRACT),
    **dict.fromkeys((".doc", ".docx", ".odt", ".rtf", ".ps", ".djvu"), _EXTRACT),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar"), _UNPACK),
    **dict.fromkeys((".zst", ".lz4", ".lzma", ".z", ".br"), "decompress it first"),
    **dict.fromkeys((".conll", ".iob", ".bio", ".iob2", ".conllx"), _SPACY),
    **dict.fromkeys((".npy", ".npz", ".hdf5", ".h5", ".pt", ".pkl", ".safetensors"), "give text"),
}
"""Suffixes of files that are no plain text, each with what to do about it."""

_FIRST_BYTES = (
    (b"PK\x03\x04", "a zip archive (or a document or an array file that is one)", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "decompress it first"),
    (b"\x04\x22\x4d\x18", "compressed by lz4", "decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a rar archive", _UNPACK),
    (b"PAR1", "a Parquet file", _COLUMN),
    (b"ARROW1", "an Arrow file", _COLUMN),
    (b"FEA1", "a Feather file", _COLUMN),
    (b"SQLite format 3\x00", "a database", _COLUMN),
    (b"%PDF-", "a PDF document", _EXTRACT),
    (b"{\\rtf", "an RTF document", _EXTRACT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document", _EXTRACT),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "give text"),
    (b"\x93NUMPY", "an array file", "give text"),
    (b"\x89PNG\r\n\x1a\n", "a picture", "give text"),
    (b"\xff\xd8\xff", "a picture", "give text"),
    (b"GIF8", "a picture", "give text"),
    (b"\x7fELF", "a program", "give text"),
    (b"\x80\x04\x95", "a pickle", "give text"),
)
_MARKUP = (b"<!doctype html", b"<html", b"<?xml")
_TAR = (257, b"ustar")

FEW = 100
"""So many bytes that are no text are replaced and counted, whatever their share."""
SHARE = 0.01
"""More than this share of them, in the first bytes, and it is no text in UTF-8."""


def foreign(data: bytes) -> tuple[str, str] | None:
    r"""What a file is that begins with these bytes, if it is no plain text in UTF-8.

    Args:
        data: The first bytes of it, decompressed and without a byte order mark.

    Returns:
        What it is, and what to do; None for what may be text.

    >>> foreign(b"PAR1...")[0]
    'a Parquet file'
    >>> foreign("Größe".encode()) is None
    True
    """
    for first, what, advice in _FIRST_BYTES:
        if data.startswith(first):
            return what, advice
    if data[_TAR[0] :].startswith(_TAR[1]):
        return "a tar archive", _UNPACK
    if data[:200].lstrip().lower().startswith(_MARKUP):
        return "a file of markup", _EXTRACT
    if _many(data.count(b"\x00"), data):
        return "no text in UTF-8: it holds many zero bytes", "if it is UTF-16, convert it to UTF-8"
    if _many(_undecodable(data), data):
        return "no text in UTF-8: it holds many bytes that are none", "convert it to UTF-8"
    return None


def _many(found: int, data: bytes) -> bool:
    return found >= FEW and found > SHARE * len(data)


def _undecodable(data: bytes) -> int:
    # An incremental decoder leaves out a last character that is not complete.
    known = codecs.getincrementaldecoder("utf8")("ignore").decode(data)
    return len(data) - len(known.encode("utf8"))
