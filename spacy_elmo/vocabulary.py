"""Vocabulary files: one word per line, UTF-8; a word's id is the number of its line, from 0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spacy_elmo.bilm.characters import BOS_WORD, EOS_WORD, UNK_WORD
from spacy_elmo.errors import problem

# Word input looks these up: the sentence boundaries, and what stands for every other word.
SPECIAL_WORDS = (BOS_WORD, EOS_WORD, UNK_WORD)


def read_vocabulary(
    path: Path, n_words: int | None, *, rows_of: str = "", word_input: bool = False
) -> list[str]:
    """Read a vocabulary.

    path: The file.
    n_words: Lines it must have, or None for any number.
    rows_of: The tensor that has `n_words` rows, for the message.
    word_input: Whether the model reads these words; then `SPECIAL_WORDS` must be among them.

    Raises WeightsError for a wrong number of lines, an empty line, a word that stands twice, text
    that is not UTF-8, or a special word that is not there.
    """
    try:
        text = path.read_bytes().decode("utf8")
    except OSError as error:
        raise problem(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise problem(path, f"line {line} is not UTF-8", "Convert the file to UTF-8") from error
    # Not splitlines(), which also splits at characters that are words of some vocabularies.
    words = text.replace("\r\n", "\n").split("\n")
    if words[-1] == "":
        words.pop()
    if n_words is not None and len(words) != n_words:
        raise problem(
            path,
            f"has {len(words)} lines, but {rows_of} has {n_words} rows",
            "Use the vocabulary that the model was trained with, one word per line",
        )
    check_vocabulary(path, words)
    missing = [word for word in SPECIAL_WORDS if word_input and word not in words]
    if missing:
        raise problem(
            path,
            f"lacks {', '.join(missing)}: a model that reads whole words needs them",
            "Use the vocabulary that the model was trained with",
        )
    return words


def write_vocabulary(path: Path, words: Sequence[str]) -> None:
    """Write a vocabulary that `read_vocabulary` reads back.

    Raises WeightsError for words that a line of UTF-8 cannot hold, empty ones and repeated ones.
    """
    check_vocabulary(path, words)
    try:
        path.write_bytes("".join(f"{word}\n" for word in words).encode("utf8"))
    except UnicodeEncodeError as error:
        raise problem(path, f"UTF-8 cannot hold a word of the vocabulary ({error})") from error


def check_vocabulary(path: Path, words: Sequence[str]) -> None:
    """Raises WeightsError for words that cannot make a vocabulary file."""
    first: dict[str, int] = {}
    for number, word in enumerate(words, start=1):
        if word == "":
            raise problem(path, f"line {number} is empty", "Give every line one word")
        if "\n" in word or "\r" in word:
            raise problem(path, f"the word {word!r} (line {number}) holds a line break")
        if word in first:
            raise problem(
                path,
                f"{word!r} stands on line {first[word]} and again on line {number}",
                "Every word must stand once, in the order of the weights' rows",
            )
        first[word] = number
