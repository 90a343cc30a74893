"""Lists of words, one per line: the vocabulary of the softmax and the types of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from spacy_elmo.bilm.characters import BOS_WORD, EOS_WORD, UNK_WORD

SYMBOLS = (BOS_WORD, EOS_WORD, UNK_WORD)
"""The first lines of every vocabulary."""
BOS, EOS, UNK = range(3)


def write_words(path: Path, words: Iterable[str]) -> None:
    """Write one word per line, UTF-8, lines ended by a line feed on every platform.

    Raises `ValueError` for a word with a line feed, which could not be read back.
    """
    with path.open("w", encoding="utf8", newline="\n") as file:
        for word in words:
            if "\n" in word:
                raise ValueError(f"a word with a line feed cannot stand in {path.name}: {word!r}")
            file.write(word + "\n")


def read_words(path: Path) -> list[str]:
    """Read one word per line.

    Only a line feed ends a line: words may hold the other characters at which Python splits lines
    (U+2028, form feed, ...). Carriage returns are taken off if the first line ends with one.

    Raises `FileNotFoundError`, and `ValueError` for bytes that are no UTF-8.
    """
    try:
        words = path.read_bytes().decode("utf8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text: {error}") from error
    if words[-1] == "":
        del words[-1]
    if words and words[0].endswith("\r"):
        words = [word.removesuffix("\r") for word in words]
    return words


def read_vocabulary(path: Path) -> list[str]:
    """Read a vocabulary: `<S>`, `</S>`, `<UNK>`, then words from frequent to rare.

    path: The file, or a folder (a prepared corpus, a model) that holds a `vocab.txt`.

    Raises `FileNotFoundError`, and `ValueError` if the three symbols do not come first, or a line
    is empty or repeated.
    """
    if path.is_dir():
        path = path / "vocab.txt"
    return check_vocabulary(read_words(path), str(path))


def check_vocabulary(words: Sequence[str], source: str) -> list[str]:
    """A vocabulary as a list. Raises `ValueError` as `read_vocabulary`, naming the source."""
    if tuple(words[:3]) != SYMBOLS:
        raise ValueError(f"{source}: the first three words must be <S>, </S> and <UNK>")
    seen: dict[str, int] = {}
    for number, word in enumerate(words, 1):
        if not word:
            raise ValueError(f"{source}: line {number} is empty")
        if word in seen:
            raise ValueError(f"{source}: line {number} repeats line {seen[word]}, {word!r}")
        seen[word] = number
    return list(words)


def order_types(
    counts: Mapping[str, int],
    *,
    max_vocab: int | None = None,
    min_count: int = 1,
    vocabulary: list[str] | None = None,
) -> tuple[list[str], int]:
    """All types, the vocabulary first, each part from frequent to rare, ties by code points.

    counts: Occurrences of each type.
    max_vocab: Entries of the vocabulary at most, the three symbols among them.
    min_count: Occurrences that a word of the vocabulary must have.
    vocabulary: A vocabulary to use as it is, instead of the two limits.

    Returns the types and how many of them are the vocabulary.

    >>> order_types({"b": 1, "the": 5, "a": 1}, max_vocab=5)
    (['<S>', '</S>', '<UNK>', 'the', 'a', 'b'], 5)
    >>> order_types({"b": 1, "the": 5, "a": 1}, vocabulary=["<S>", "</S>", "<UNK>", "b"])
    (['<S>', '</S>', '<UNK>', 'b', 'the', 'a'], 4)
    """
    head = list(SYMBOLS) if vocabulary is None else list(vocabulary)
    known = set(head)
    ranked = sorted((-n, word) for word, n in counts.items() if word not in known)
    types = head + [word for _, word in ranked]
    if vocabulary is not None:
        return types, len(vocabulary)
    frequent = len(SYMBOLS) + sum(-n >= min_count for n, _ in ranked)
    return types, frequent if max_vocab is None else max(len(SYMBOLS), min(frequent, max_vocab))
