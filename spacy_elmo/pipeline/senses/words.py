"""Which words of a Doc have senses: their occurrences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from spacy.tokens import Doc, Span

from spacy_elmo.pipeline.doc.fed import TOKEN_ATTRS

Word = tuple[str, ...]
"""A word that has senses: what stands for each of its tokens. Of several, for "river bank"."""


class Occurrence(NamedTuple):
    """Where a word stands in a Doc.

    Attributes:
        start: Its first token.
        end: The token after its last.
        word: The word.
    """

    start: int
    end: int
    word: Word


def forms(obj: Doc | Span, attr: str) -> list[str]:
    """What stands for each token.

    Args:
        obj: The Doc or span.
        attr: One of `TOKEN_ATTRS`. A token without a lemma stands for itself.

    Raises:
        ValueError: If lemmas are asked for and no word of the Doc has one.
    """
    if attr == "LEMMA" and not obj.doc.has_annotation("LEMMA") and not obj.text.isspace():
        raise ValueError(
            f'attr = "LEMMA", but the Doc {obj.doc.text[:40]!r} has no lemmas: put a lemmatizer '
            'before the component that labels senses, or give that attr = "LOWER"'
        )
    get = TOKEN_ATTRS[attr]
    return [get(token) or token.text for token in obj]


def occurrences(texts: Sequence[str], words: Collection[Word]) -> list[Occurrence]:
    """All occurrences of some words: from left to right, the longest of those at one place.

    None overlap.

    Args:
        texts: What stands for each token of a Doc.
        words: The words.

    >>> [found[:2] for found in occurrences(["a", "b", "c"], {("a",), ("a", "b"), ("c",)})]
    [(0, 2), (2, 3)]
    """
    lengths: dict[str, set[int]] = {}
    for word in words:
        lengths.setdefault(word[0], set()).add(len(word))
    found = []
    start = 0
    while start < len(texts):
        for length in sorted(lengths.get(texts[start], ()), reverse=True):
            word = tuple(texts[start : start + length])
            if word in words:
                found.append(Occurrence(start, start + length, word))
                start += length
                break
        else:
            start += 1
    return found
