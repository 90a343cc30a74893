"""Occurrences of words in Docs: where they are, what stands around them, which sense they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.errors import ElmoError
from spacy_elmo.types import Ints
from spacy_elmo.visual.text import plain

Object = Doc | Span | Token

NO_SENSE = "no sense given"
_REACH = 24  # tokens on either side that are looked at for a context


class Context(NamedTuple):
    """An occurrence with the text around it, on one line."""

    before: str
    word: str
    after: str

    def __str__(self) -> str:
        return self.before + self.word + self.after


def as_docs(docs: Any, style: str) -> list[Doc]:
    """What was given, as a list of Docs; a Span is a Doc of its own, as for displaCy.

    Raises:
        ElmoError: For something else, and for no Doc at all.
    """
    given = [docs] if isinstance(docs, (Doc, Span)) else docs
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise ElmoError(
            f"style {style!r} shows Docs, not a {type(docs).__name__}: give what `nlp(text)` or "
            "`nlp.pipe(texts)` returns"
        )
    found = [_as_doc(each, style) for each in given]
    if not found:
        raise ElmoError(f"style {style!r}: there is no Doc to show")
    return found


def find(docs: Sequence[Doc], word: str) -> list[Token]:
    """All tokens that are a word, in any case.

    Raises:
        ElmoError: If there is none; similar words that occur are named.
    """
    wanted = word.strip().casefold()
    found = [token for doc in docs for token in doc if token.text.casefold() == wanted]
    if found:
        return found
    known = {token.text.casefold() for doc in docs for token in doc if not token.is_space}
    near = get_close_matches(wanted, sorted(known), n=5)
    hint = f"; similar words that do: {', '.join(near)}" if near else ""
    raise ElmoError(f"the word {word!r} does not occur in these {len(docs):,} Docs{hint}")


def context(obj: Object) -> Context:
    """A token or span with what stands around it in its sentence or Doc."""
    if isinstance(obj, Doc):
        return Context("", plain(obj[: 2 * _REACH].text), "")
    doc = obj.doc
    start, end = place_of(obj)
    first, last = window(obj, _REACH)
    before, after = doc[first:start].text_with_ws, doc[end:last].text
    space = doc[end - 1].whitespace_ if end > start else ""
    left = plain(before) + (" " if before[-1:].isspace() else "")
    right = (" " if space or after[:1].isspace() else "") + plain(after)
    return Context(left.lstrip(), plain(obj.text), right.rstrip())


def place_of(obj: Token | Span) -> tuple[int, int]:
    """Its first token, and the one after its last."""
    return (obj.i, obj.i + 1) if isinstance(obj, Token) else (obj.start, obj.end)


def window(obj: Token | Span, reach: int) -> tuple[int, int]:
    """First token of its surroundings, and the one after the last, within its sentence."""
    doc = obj.doc
    start, end = place_of(obj)
    first, last = max(start - reach, 0), min(end + reach, len(doc))
    if doc.has_annotation("SENT_START"):
        first = max(first, doc[start].sent.start)
        last = min(last, max(doc[max(end - 1, start)].sent.end, end))
    return first, last


def is_content(token: Token) -> bool:
    """Whether a token says what a text is about: no function word, punctuation or number."""
    return not (token.is_stop or token.is_punct or token.is_space or token.like_num) and any(
        map(str.isalpha, token.text)
    )


def senses_of(objects: Sequence[Token | Span], key: str) -> list[str | None]:
    """The sense of each occurrence: the label of a span of the group that covers it, or its own."""
    groups: dict[int, dict[int, str]] = {}
    found: list[str | None] = []
    for each in objects:
        doc = each.doc
        if id(doc) not in groups:
            spans = doc.spans.get(key, [])
            groups[id(doc)] = {
                i: span.label_ for span in spans if span.label_ for i in range(span.start, span.end)
            }
        own = each.label_ if isinstance(each, Span) else ""
        found.append(own or groups[id(doc)].get(place_of(each)[0]))
    return found


def by_sense(senses: Sequence[str | None]) -> tuple[Ints, list[str]]:
    """Occurrences by their senses.

    Args:
        senses: As `senses_of` gives them.

    Returns:
        The number of each occurrence's sense, *Shape:* (n_occurrences,), and what the senses are
        called, the most frequent first; last, where some have none, `NO_SENSE`.

    >>> by_sense(["b", None, "a", "b"])
    (array([0, 2, 1, 0]), ['b', 'a', 'no sense given'])
    """
    counts = Counter(sense for sense in senses if sense)
    names = sorted(counts, key=lambda name: (-counts[name], name))
    number = {name: k for k, name in enumerate(names)}
    if not all(senses):
        names.append(NO_SENSE)
    return np.array([number.get(sense or "", len(number)) for sense in senses]), names


def spread(n: int, most: int) -> list[int]:
    """Indices of at most so many of n things, evenly spread.

    >>> spread(10, 4), spread(3, 4)
    ([0, 2, 5, 7], [0, 1, 2])
    """
    return list(range(n)) if n <= most else [k * n // most for k in range(most)]


def _as_doc(each: Any, style: str) -> Doc:
    if isinstance(each, Span):
        return each.as_doc(copy_user_data=True)
    if not isinstance(each, Doc):
        raise ElmoError(f"style {style!r} shows Docs, and one of them is a {type(each).__name__}")
    return each
