"""Occurrences of words in Docs: where they are, what stands around them, which sense they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.doc import storage
from spacy_elmo.pipeline.doc.values import vector, vectors
from spacy_elmo.visual.text import plain

Rows = np.ndarray[Any, np.dtype[np.float64]]
Object = Doc | Span | Token

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
    start, end = (obj.i, obj.i + 1) if isinstance(obj, Token) else (obj.start, obj.end)
    first, last = max(start - _REACH, 0), min(end + _REACH, len(doc))
    if doc.has_annotation("SENT_START"):
        first = max(first, doc[start].sent.start)
        last = min(last, max(doc[max(end - 1, start)].sent.end, end))
    before, after = doc[first:start].text_with_ws, doc[end:last].text
    space = doc[end - 1].whitespace_ if end > start else ""
    left = plain(before) + (" " if before[-1:].isspace() else "")
    right = (" " if space or after[:1].isspace() else "") + plain(after)
    return Context(left.lstrip(), plain(obj.text), right.rstrip())


def senses_of(objects: Sequence[Token | Span], key: str) -> list[str | None]:
    """The sense of each occurrence: the label of a span of the group that covers it, or its own."""
    groups: dict[int, dict[int, str]] = {}
    found: list[str | None] = []
    for each in objects:
        doc = each.doc
        if id(doc) not in groups:
            spans = doc.spans[key] if key in doc.spans else []
            groups[id(doc)] = {
                i: span.label_ for span in spans if span.label_ for i in range(span.start, span.end)
            }
        own = each.label_ if isinstance(each, Span) else ""
        start = each.start if isinstance(each, Span) else each.i
        found.append(own or groups[id(doc)].get(start))
    return found


def unit_rows(objects: Sequence[Token | Span], attribute: str) -> Rows:
    """Vectors as similarity sees them: centred where the weights carry a mean, of length 1.

    *Shape:* (n_objects, width).

    Raises:
        ElmoError: Before `elmo` has run on all Docs, or where their vectors differ in width.
    """
    tables: dict[int, tuple[Any, Any]] = {}
    rows = []
    for each in objects:
        doc = each.doc
        if id(doc) not in tables:
            table, kept = vectors(doc, attribute), storage.read(doc, attribute)
            if table is None or kept is None:
                raise ElmoError(
                    f"{doc[:8].text!r} has no ELMo vectors: run a pipeline with the `elmo` "
                    "component over all of the Docs first"
                )
            tables[id(doc)] = table, kept.get("mean")
        table, mean = tables[id(doc)]
        row = table[each.i] if isinstance(each, Token) else vector(each, attribute)
        row = np.asarray(row, dtype=np.float64)
        rows.append(row if mean is None or not row.any() else row - mean)
    if len({len(row) for row in rows}) > 1:
        raise ElmoError("the vectors of these Docs differ in width: they come from other models")
    found = np.array(rows, dtype=np.float64).reshape(len(rows), -1)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return np.divide(found, norms, out=np.zeros_like(found), where=norms > 0)


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
