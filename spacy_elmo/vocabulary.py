"""Lists of words, one per line, UTF-8: the vocabulary of a model, the types of a corpus.

A word's id is the number of its line, from 0. Only a line feed ends a line: words may hold the
other characters at which Python splits lines (U+2028, form feed, ...).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from spacy_elmo.errors import ElmoError, problem

BOS_WORD = "<S>"
EOS_WORD = "</S>"
UNK_WORD = "<UNK>"
SPECIAL_WORDS = (BOS_WORD, EOS_WORD, UNK_WORD)
"""The sentence boundaries, and what stands for every word that is not in the vocabulary."""
BOS, EOS, UNK = range(len(SPECIAL_WORDS))
"""Ids of the special words in the vocabularies of prepared corpora, which begin with them."""

Special = Literal["anywhere", "first"]
"""Where a vocabulary has its special words: a model that reads words looks them up, in a corpus
they are the first."""

BYTE_ORDER_MARK = "\ufeff"

# Bytes of a compressed vocabulary: more than any language has words.
_LARGEST = 2**28

VOCABULARY_FILE = "vocab.txt"
"""Name of the vocabulary in the folder of a corpus or a model."""


def read_vocabulary(
    path: Path,
    *,
    n_words: int | None = None,
    rows_of: str = "",
    special: Special | None = None,
    error: type[ElmoError] = ElmoError,
) -> list[str]:
    """Read and check a vocabulary.

    Args:
        path: The file.
        n_words: Words that it must have, or None for any number.
        rows_of: The tensor that has `n_words` rows, for the message.
        special: Where it must have the special words, or None if it needs none.
        error: The class of the error.

    Returns:
        The words.

    Raises:
        ElmoError: For text that is not UTF-8, a wrong number of words, and words that make no
            vocabulary (see `check_vocabulary`).
    """
    words = read_words(path, error=error)
    if n_words is not None and len(words) != n_words:
        raise problem(
            path,
            f"has {len(words)} lines, but {rows_of} has {n_words} rows",
            "Use the vocabulary that the model was trained with, one word per line",
            error=error,
        )
    check_vocabulary(path, words, special=special, error=error)
    return words


def read_words(path: Path, *, error: type[ElmoError] = ElmoError) -> list[str]:
    """Read one word per line, whatever the words are.

    Args:
        path: The file. Its lines end with a line feed, or with a carriage return and a line feed. A
            byte order mark at its start is no part of the first word. One that ends in .gz is
            decompressed.
        error: The class of the error.

    Returns:
        The words.

    Raises:
        ElmoError: If the file cannot be read or is not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise problem(path, "cannot be read: it is no file", error=error)
    try:
        text = _content(path).decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile, OverflowError) as cause:
        what = f"is no gzip file of words, or is damaged or truncated ({cause})"
        raise problem(path, what, "Get it anew", error=error) from cause
    except OSError as cause:
        raise problem(path, f"cannot be read: {cause.strerror}", error=error) from cause
    except UnicodeDecodeError as cause:
        line = cause.object[: cause.start].count(b"\n") + 1
        advice = "Convert the file to UTF-8"
        raise problem(path, f"line {line} is not UTF-8", advice, error=error) from cause
    words = text.replace("\r\n", "\n").split("\n")
    if words[-1] == "":
        words.pop()
    return words


def _content(path: Path) -> bytes:
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    with gzip.open(path) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise OverflowError(f"more than {_LARGEST:,} bytes of words")
    return data


def write_vocabulary(
    path: Path, words: Sequence[str], *, error: type[ElmoError] = ElmoError
) -> None:
    """Write a vocabulary that `read_vocabulary` reads back, lines ended by a line feed everywhere.

    Args:
        path: The file.
        words: The words.
        error: The class of the error.

    Raises:
        ElmoError: For words that make no vocabulary (see `check_vocabulary`), or that UTF-8 cannot
            hold.
    """
    check_vocabulary(path, words, error=error)
    # Reading leaves out one mark: a first word that begins with one gets another before it.
    marked = bool(words) and words[0].startswith(BYTE_ORDER_MARK)
    try:
        with path.open("w", encoding="utf-8-sig" if marked else "utf8", newline="\n") as file:
            file.writelines(f"{word}\n" for word in words)
    except UnicodeEncodeError as cause:
        what = f"UTF-8 cannot hold a word of the vocabulary ({cause})"
        raise problem(path, what, error=error) from cause


def check_vocabulary(
    source: Path | str,
    words: Sequence[str],
    *,
    special: Special | None = None,
    error: type[ElmoError] = ElmoError,
) -> None:
    """Check words that are to be a vocabulary.

    Args:
        source: The file, or what else to call the words, for messages.
        words: The words.
        special: Where the special words must be, or None if they need not be there.
        error: The class of the error.

    Raises:
        ElmoError: For an empty word, a word with a line break, one that stands twice, and special
            words that are not where they must be.
    """
    if special == "first" and tuple(words[: len(SPECIAL_WORDS)]) != SPECIAL_WORDS:
        what = f"the first three words must be {BOS_WORD}, {EOS_WORD} and {UNK_WORD}"
        raise problem(source, what, error=error)
    first: dict[str, int] = {}
    for number, word in enumerate(words, start=1):
        if word == "":
            raise problem(
                source, f"line {number} is empty", "Give every line one word", error=error
            )
        if "\n" in word or "\r" in word:
            what = f"the word {word!r} (line {number}) holds a line break"
            raise problem(source, what, error=error)
        if word in first:
            raise problem(
                source,
                f"{word!r} stands on line {first[word]} and again on line {number}",
                "Every word must stand once, in the order of the weights' rows",
                error=error,
            )
        first[word] = number
    missing = [word for word in SPECIAL_WORDS if special == "anywhere" and word not in first]
    if missing:
        raise problem(
            source,
            f"lacks {', '.join(missing)}: a model that reads whole words needs them",
            "Use the vocabulary that the model was trained with",
            error=error,
        )
