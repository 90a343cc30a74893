"""What is embedded: texts, lists of words and Docs as they come, and split into tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from spacy_elmo.bilm.batching import batched
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.text.reading import Block, check_inputs, read_blocks
from spacy_elmo.text.records import decode_lines, read_conllu, read_json_line
from spacy_elmo.types import Ints

Raw = Any
"""An entry as it is given: a text, the words of a sentence, or a Doc."""

# Entries, and characters, that are split into tokens together.
_GROUP_ENTRIES, _GROUP_CHARACTERS = 256, 1 << 16
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Entry:
    """An entry, split into tokens and sentences.

    Attributes:
        text: Its text.
        starts: First character of each token.
        ends: One past the last character of each token.
        sentences: What the language model reads: words, white space left out.
        rows: The token that each word is; None: every token is a word. *Shape:* (n_words,).
        doc: The Doc, where it was asked for.
    """

    text: str
    starts: list[int]
    ends: list[int]
    sentences: list[Sequence[str]]
    rows: Ints | None = None
    doc: Any = field(default=None, compare=False)

    @property
    def n_tokens(self) -> int:
        """Number of tokens, white space among them."""
        return len(self.starts)

    @property
    def n_words(self) -> int:
        """Number of words that the language model reads."""
        return sum(map(len, self.sentences))

    @property
    def tokens(self) -> list[str]:
        """The text of each token."""
        return [self.text[a:b] for a, b in zip(self.starts, self.ends, strict=True)]


class Reader(Protocol):
    """Splits entries into tokens and sentences."""

    def __call__(self, raws: Sequence[Raw], *, keep_docs: bool = False) -> list[Entry]:
        """Split some entries.

        Args:
            raws: The entries as they are given.
            keep_docs: Whether the entries are to hold their Docs.
        """
        ...

    def identity(self) -> str:
        """What tells it from readers that split in another way."""
        ...

    def docs(self, path: str) -> Iterable[Any]:
        """The Docs of a `.spacy` file."""
        ...


class TextFiles:
    """The entries of files: one per line, record, sentence of CoNLL-U, or Doc.

    An empty line is an entry without tokens.

    Args:
        paths: Text, `.jsonl` (`text` or `tokens` in every line), `.conllu`, each also as `.gz`,
            `.bz2` or `.xz`, and `.spacy`; `-` is the standard input, as text.

    Raises:
        CorpusError: For no file at all, and for what is no text.
        FileNotFoundError: If there is no such file.

    Attributes:
        counts: `undecodable_bytes` that were replaced, and `lines`, of the last time that
            `entries` was read.
    """

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self.counts: Counter[str] = Counter()
        self.inputs = check_inputs(paths, tokenized=False)

    @property
    def is_repeatable(self) -> bool:
        """Whether it can be read more than once: no pipe is among them."""
        return all(source != "-" and Path(source).is_file() for source, _ in self.inputs)

    def entries(self, reader: Reader) -> Iterator[Raw]:
        """The entries, in order.

        Args:
            reader: What reads `.spacy` files.

        Raises:
            CorpusError: For damaged files and records.
        """
        self.counts = counts = Counter[str]()
        line: list[bytes] = []  # the beginning of a line that did not fit into one block
        before: Block | None = None
        for block in read_blocks(self.inputs):
            if line and before is not None and before.source != block.source:
                yield from _records(before, b"".join(line), reader, counts)
                line = []
            before = block
            if block.cut:
                line.append(block.data)
                continue
            data, line = b"".join([*line, block.data]), []
            yield from _records(block, data, reader, counts)
        if line and before is not None:
            yield from _records(before, b"".join(line), reader, counts)

    def beginning(self, block: Block, reader: Reader) -> list[Raw]:
        """The entries of the first block of a file."""
        return list(_records(block, block.data, reader, Counter()))


def _records(block: Block, data: bytes, reader: Reader, counts: Counter[str]) -> Iterator[Raw]:
    if block.kind == "docs":
        yield from reader.docs(block.source)
        return
    lines = decode_lines(data, counts)
    if block.kind == "conllu":
        yield from read_conllu(lines, block)
    elif block.kind == "jsonl":
        for number, line in enumerate(lines, block.first_line):
            yield read_json_line(line, f"{block.source}, line {number}", counts)
    else:
        for line in lines:
            yield line.removesuffix("\r")


class Splitter:
    """Splits text at white space; needs no spaCy, but for Docs. An entry is one sentence."""

    def __call__(self, raws: Sequence[Raw], *, keep_docs: bool = False) -> list[Entry]:
        """Split some entries; see `Reader`."""
        if keep_docs:
            raise EmbeddingError("Docs are made by spaCy: give a language or a pipeline")
        if any(map(is_doc, raws)):
            raise EmbeddingError("Docs have tokens already: leave out `tokenized` to read them")
        return [_split(raw) if isinstance(raw, str) else entry_of_words(raw) for raw in raws]

    def identity(self) -> str:
        """There is one way alone."""
        return ""

    def docs(self, path: str) -> Iterable[Any]:
        """Refuses: the tokens of Docs are given."""
        raise EmbeddingError(
            f"{path} holds Docs, whose tokens are given: leave out `tokenized` to read it"
        )


def entry_of_words(words: Sequence[str]) -> Entry:
    """An entry of one sentence whose words are given; its text has a space between each two.

    >>> entry_of_words(["The", "bank"]).starts
    [0, 4]
    """
    starts, ends = [], []
    place = 0
    for word in words:
        starts.append(place)
        ends.append(place + len(word))
        place += len(word) + 1
    return Entry(" ".join(words), starts, ends, [list(words)] if words else [])


def check_raw(number: int, raw: Raw) -> None:
    """Check the type of an entry; a Doc is known by its tokens.

    Raises:
        ValueError: If it is no text, list of words, or Doc.
    """
    if isinstance(raw, str) or is_doc(raw):
        return
    if not isinstance(raw, (list, tuple)) or not all(isinstance(word, str) for word in raw):
        raise ValueError(
            f"entry {number} is {raw!r:.80}: expected a text, a list of words, or a Doc"
        )


def checked_groups(raws: Iterable[Raw], first: int = 0) -> Iterator[list[Raw]]:
    """Entries in groups that are split into tokens together, each checked by `check_raw`.

    Args:
        raws: The entries.
        first: Number of the first one, for messages.
    """
    number = first
    groups = batched(raws, _length, max_size=_GROUP_CHARACTERS, max_items=_GROUP_ENTRIES)
    for group in groups:
        for raw in group:
            check_raw(number, raw)
            number += 1
        yield group


def raw_key(raw: Raw) -> bytes:
    """Bytes that tell an entry from others."""
    if isinstance(raw, str):
        kind, parts = b"t", [raw]
    elif is_doc(raw):
        kind, parts = b"d", [token.text_with_ws for token in raw]
    else:
        kind, parts = b"w", list(raw)
    data = "\0".join(parts).encode("utf8", "surrogatepass")
    return b"%s%d:%s" % (kind, len(data), data)


def is_doc(raw: Raw) -> bool:
    """Whether an entry is a Doc, told without spaCy."""
    return hasattr(raw, "user_data") and hasattr(raw, "to_array")


def _length(raw: Raw) -> int:
    try:
        return len(raw)
    except TypeError:
        return 1  # no entry at all, as will be said


def _split(line: str) -> Entry:
    found = [(match.start(), match.end()) for match in _WORD.finditer(line)]
    words = [line[start:end] for start, end in found]
    return Entry(line, [a for a, _ in found], [b for _, b in found], [words] if words else [])
