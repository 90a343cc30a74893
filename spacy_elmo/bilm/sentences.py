"""Sentences as the network is given them: lists of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spacy_elmo.types import Sentence


def check_sentences(sentences: Iterable[Sentence]) -> list[Sentence]:
    """The sentences as a list.

    Args:
        sentences: Lists of words.

    Raises:
        ValueError: A sentence is a string (forgotten to split?) or holds something else than
            strings. The message names the place.
    """
    return list(checked_sentences(sentences))


def checked_sentences(sentences: Iterable[Sentence]) -> Iterator[Sentence]:
    """`check_sentences` one by one, as they are asked for."""
    if isinstance(sentences, str):
        raise ValueError("expected a list of sentences, each a list of words: got a string")
    for number, words in enumerate(sentences):
        if isinstance(words, str):
            raise ValueError(
                f"sentence {number} is the string {words[:40]!r}: expected a list of words"
            )
        for word in words:
            if not isinstance(word, str):
                raise ValueError(f"sentence {number} holds {word!r}: expected words (strings)")
        yield words


def word_types(words: Iterable[str]) -> tuple[list[str], list[int]]:
    """The distinct words in the order of their first use, and which of them each word is.

    >>> word_types(["the", "bank", "the"])
    (['the', 'bank'], [0, 1, 0])
    """
    numbers: dict[str, int] = {}
    places = [numbers.setdefault(word, len(numbers)) for word in words]
    return list(numbers), places
