"""What the language model reads of a token."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from operator import attrgetter

from spacy.tokens import Doc, Token

from spacy_elmo.pipeline.doc.tokens import token_facts

TOKEN_ATTRS: dict[str, Callable[[Token], str]] = {
    "TEXT": attrgetter("text"),
    "LEMMA": attrgetter("lemma_"),
    "LOWER": attrgetter("lower_"),
    "NORM": attrgetter("norm_"),
}
"""Names of what may stand for a word, and how to get it."""

# The strings of numbers that spaCy gives them, which are the same in every vocabulary: asking its
# vocabulary, or a token, takes three times as long. Of common words: no more, and no longer ones.
_MOST_STRINGS = 2**16
_LONGEST = 64
_strings: dict[int, str] = {}

_warned: set[str] = set()


def fed_words(doc: Doc, token_attr: str) -> list[str]:
    """What stands for each token of a Doc, white space included.

    A token without a lemma is read as it is written, and a warning, once, says so.

    Args:
        doc: The Doc.
        token_attr: One of `TOKEN_ATTRS`.

    Raises:
        ValueError: If lemmas are asked for and no word of the Doc has one.
    """
    numbers = token_facts(doc, "ORTH" if token_attr == "TEXT" else token_attr)[:, 0].tolist()
    words = [word for word in map(_strings.get, numbers) if word is not None]
    if len(words) < len(numbers):
        words = list(map(TOKEN_ATTRS[token_attr], doc))
        if len(_strings) + len(words) > _MOST_STRINGS:
            _strings.clear()
        if len(words) <= _MOST_STRINGS:
            pairs = zip(numbers, words, strict=True)
            _strings.update((number, word) for number, word in pairs if len(word) <= _LONGEST)
    if token_attr == "LEMMA" and not all(words):
        missing = [token for token, word in zip(doc, words, strict=True) if not word]
        lemmas = any(word for token, word in zip(doc, words, strict=True) if not token.is_space)
        if not lemmas and any(not token.is_space for token in missing):
            raise ValueError(
                f'token_attr = "LEMMA", but the Doc {doc.text[:40]!r} has no lemmas: put a '
                "lemmatizer before this component, and in training name it, and what it needs, in "
                "training.annotating_components"
            )
        words = [word or token.text for token, word in zip(doc, words, strict=True)]
        _warn_of(missing)
    return words


def _warn_of(missing: list[Token]) -> None:
    texts = [token.text for token in missing if not token.is_space]
    if texts and "lemmas" not in _warned:
        _warned.add("lemmas")
        warnings.warn(
            f'token_attr = "LEMMA", but {len(texts)} words of a Doc have no lemma ('
            f"{', '.join(texts[:3])}): the words themselves are read in their place",
            stacklevel=2,
        )
