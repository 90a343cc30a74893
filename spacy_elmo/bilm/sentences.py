"""Sentences as the network is given them: lists of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from spacy_elmo.types import Sentence


class TokenLike(Protocol):
    """A token of spaCy's, which is read as its text."""

    @property
    def text(self) -> str:
        """The word."""
        ...

    @property
    def i(self) -> int:
        """Its place in the Doc."""
        ...


Words = Iterable["str | TokenLike"]
"""What is read as a sentence: words or tokens; a Doc or a Span is such an iterable."""

_ONE = "for a single sentence give [words], for a Doc [doc] or doc.sents"


def check_sentences(sentences: Iterable[Words]) -> list[Sentence]:
    """The sentences as lists of words.

    Args:
        sentences: Iterables of words or of spaCy tokens.

    Raises:
        ValueError: A sentence is a string (forgotten to split?) or a token, or holds something
            else than words. The message names the place.
    """
    return list(checked_sentences(sentences))


def checked_sentences(sentences: Iterable[Words]) -> Iterator[Sentence]:
    """`check_sentences` one by one, as they are asked for."""
    if isinstance(sentences, str):
        raise ValueError("expected a list of sentences, each a list of words: got a string")
    if not isinstance(sentences, Iterable):
        raise ValueError(f"expected a list of sentences, each a list of words: got {sentences!r}")
    for number, words in enumerate(sentences):
        if isinstance(words, str):
            raise ValueError(
                f"sentence {number} is the string {words[:40]!r}: expected a list of words; {_ONE}"
            )
        if _is_token(words):
            raise ValueError(
                f"sentence {number} is the token {words!r}: expected a list of words; {_ONE}"
            )
        if not isinstance(words, Iterable):
            raise ValueError(f"sentence {number} is {words!r}: expected a list of words; {_ONE}")
        yield [word if isinstance(word, str) else _text(number, word) for word in words]


def _text(number: int, word: object) -> str:
    if not _is_token(word):
        raise ValueError(
            f"sentence {number} holds {word!r}: expected words (strings) or spaCy tokens"
        )
    return str(word.text)  # type: ignore[attr-defined]


def _is_token(value: object) -> bool:
    """Whether this is a token. spaCy is not imported here; its spans have no number `i`."""
    return isinstance(getattr(value, "text", None), str) and isinstance(
        getattr(value, "i", None), int
    )


def word_types(words: Iterable[str]) -> tuple[list[str], list[int]]:
    """The distinct words in the order of their first use, and which of them each word is.

    >>> word_types(["the", "bank", "the"])
    (['the', 'bank'], [0, 1, 0])
    """
    numbers: dict[str, int] = {}
    places = [numbers.setdefault(word, len(numbers)) for word in words]
    return list(numbers), places
