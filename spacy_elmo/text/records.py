"""Lines of text, of words, of JSONL and of CoNLL-U, decoded; whatever cannot be kept is counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import groupby

from spacy_elmo.errors import CorpusError
from spacy_elmo.text.reading import Block

_CONLLU_ID = re.compile(r"\d+([-.]\d+)?")

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
            strings `tokens`, and one of CoNLL-U without its columns; it names file and line.
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
    if block.kind == "conllu":
        return [read_conllu(lines, block)]
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
    if any("\ufeff" in line[:1] for line in lines):  # where files were put together
        lines = [line.lstrip("\ufeff") for line in lines]
    return lines


def _read_json(line: str, where: str, counts: Counter[str]) -> list[Record]:
    record = read_json_line(line, where, counts)
    if isinstance(record, str):
        return list(filter(None, map(str.strip, record.split("\n"))))
    return [record] if record else []


def read_json_line(line: str, where: str, counts: Counter[str]) -> Record:
    """The text or the words in a line of JSONL; an empty text for a line without anything.

    Args:
        line: The line.
        where: Its file and number, for messages.
        counts: Added to: `undecodable_bytes`.

    Raises:
        CorpusError: If it is no object with a string `text` or a list of strings `tokens`.
    """
    if not line.strip():
        return ""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{where}: no JSON: {error}") from error
    if isinstance(record, dict):
        text, words = record.get("text"), record.get("tokens")
        if words and isinstance(words, list) and all(isinstance(word, str) for word in words):
            return [_encodable(word, counts) for word in words]
        # Other tools describe each token by an object, beside the text.
        if isinstance(text, str):
            return _encodable(text, counts)
        if words == []:
            return []
    raise CorpusError(
        f'{where}: expected an object with a string "text" or a list of strings "tokens"'
    )


def read_conllu(lines: list[str], block: Block) -> list[Record]:
    """The sentences of whole blocks of CoNLL-U: their words, as syntax counts them.

    Args:
        lines: The lines of the block, decoded.
        block: The block, for messages.

    Raises:
        CorpusError: For a line without the columns of CoNLL-U.
    """
    sentences: list[Record] = []
    words: list[str] = []
    for number, line in enumerate(lines, block.first_line):
        if not line.strip():
            if words:
                sentences.append(words)
                words = []
        elif not line.startswith("#"):
            columns = line.split("\t")
            if len(columns) != 10 or not _CONLLU_ID.fullmatch(columns[0]) or not columns[1]:
                raise CorpusError(
                    f"{block.source}, line {number}: expected the 10 columns of CoNLL-U, the first "
                    "a number, tabs between them"
                )
            if columns[0].isdecimal():  # no range of a contraction, no empty node
                words.append(columns[1])
    return [*sentences, words] if words else sentences


def _encodable(text: str, counts: Counter[str]) -> str:
    """Replace lone surrogates, which JSON can hold (as escapes) and UTF-8 cannot."""
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        replaced = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
        counts["undecodable_bytes"] += sum(a != b for a, b in zip(text, replaced, strict=True))
        return replaced
    return text
