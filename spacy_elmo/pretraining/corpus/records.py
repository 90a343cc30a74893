"""Lines of text, of words and of JSONL, decoded; whatever cannot be kept is counted."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby

from spacy_elmo.errors import CorpusError
from spacy_elmo.pretraining.corpus.reading import Block

Record = str | list[str]
"""A paragraph, or the words of a sentence."""


def read_records(block: Block, counts: Counter[str]) -> list[list[Record]]:
    """The paragraphs and tokenised sentences of a block's lines, in order.

    Args:
        block: The block.
        counts: Added to: `lines`, `empty_lines`, `cut_lines`, `undecodable_bytes`.

    Returns:
        Groups of neighbours of one kind.

    Raises:
        CorpusError: For a line of JSONL that is no object with a string `text` or a list of
            strings `tokens`; it names file and line.
    """
    lines = decode_lines(block.data, counts)
    counts["lines"] -= block.cut  # its last line goes on in the next block
    counts["cut_lines"] += block.cut
    if block.kind == "jsonl":
        records: list[Record] = []
        for number, line in enumerate(lines, block.first_line):
            found = _read_json(line, f"{block.source}, line {number}", counts)
            counts["empty_lines"] += not found
            records.extend(found)
        return [list(group) for _, group in groupby(records, key=type)]
    stripped = list(filter(None, map(str.strip, lines)))
    counts["empty_lines"] += len(lines) - len(stripped)
    if block.kind == "tokens":
        return [list(map(str.split, stripped))]
    return [list(stripped)]


def decode_lines(data: bytes, counts: Counter[str]) -> list[str]:
    r"""Decode UTF-8 and split at line feeds; what is no UTF-8 becomes U+FFFD and is counted.

    >>> counts = Counter()
    >>> decode_lines(b"caf\xe9\nau lait\n", counts)
    ['caf�', 'au lait']
    >>> counts["undecodable_bytes"]
    1
    """
    data = data.removesuffix(b"\n")
    try:
        lines = data.decode("utf8").split("\n")
    except UnicodeDecodeError:
        lines = data.decode("utf8", "replace").split("\n")
        kept = len(data.decode("utf8", "ignore").encode("utf8"))
        counts["undecodable_bytes"] += len(data) - kept
    counts["lines"] += len(lines)
    return lines


def _read_json(line: str, where: str, counts: Counter[str]) -> list[Record]:
    if not line.strip():
        return []
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{where}: no JSON: {error}") from error
    if isinstance(record, dict):
        text, words = record.get("text"), record.get("tokens")
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return [[_encodable(word, counts) for word in words]] if words else []
        if isinstance(text, str) and words is None:
            return list(filter(None, map(str.strip, _encodable(text, counts).split("\n"))))
    raise CorpusError(
        f'{where}: expected an object with a string "text" or a list of strings "tokens"'
    )


def _encodable(text: str, counts: Counter[str]) -> str:
    """Replace lone surrogates, which JSON can hold (as escapes) and UTF-8 cannot."""
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        replaced = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
        counts["undecodable_bytes"] += sum(a != b for a, b in zip(text, replaced, strict=True))
        return replaced
    return text
