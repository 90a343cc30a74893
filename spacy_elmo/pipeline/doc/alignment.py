"""Rows for the tokens a Doc has now, found by characters: the retokenizer may have changed them."""

from __future__ import annotations

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.pipeline.doc.storage import Rows
from spacy_elmo.pipeline.doc.tokens import character_offsets, space_mask, token_facts
from spacy_elmo.types import Bools, Floats, Ints


def token_row(token: Token, rows: Rows, field: str) -> Floats | None:
    """The row of one token, as an array of its own: whoever keeps it does not keep the whole.

    Args:
        token: The token.
        rows: What its Doc keeps.
        field: "vectors", "layers", "context" or "scores".

    Returns:
        As the item of `Rows` that is named, without the rows; None if nothing was computed for its
        text.
    """
    values, offsets = rows[field], rows["offsets"]
    start, end, i = token.idx, token.idx + len(token), token.i
    if i < len(offsets) and offsets[i, 0] == start and offsets[i, 1] == end:
        row: Floats = values[..., i, :].copy()
        return _read_only(row)
    found = _gather(rows, field, np.array([[start, end]]), np.array([token.is_space]))
    return None if found is None else _read_only(found[..., 0, :])


def token_rows(tokens: Doc | Span, rows: Rows, field: str) -> Floats | None:
    """The rows of the tokens of a Doc or Span.

    Those of a Doc are a view where its tokens are as `elmo` saw them; those of a Span are an array
    of their own, which keeps nothing else alive.

    A merged token has the mean of its non-space pieces, but the context around them all and the
    sum of their scores; a split one has the whole's row, white space a zero row.

    Args:
        tokens: The Doc or Span.
        rows: What the Doc keeps.
        field: "vectors", "layers", "context" or "scores".

    Returns:
        As the item of `Rows` that is named, a token for a row; None if nothing was computed for the
        text of some token.
    """
    wanted = character_offsets(tokens)
    first = tokens.start if isinstance(tokens, Span) else 0
    if np.array_equal(rows["offsets"][first : first + len(wanted)], wanted):
        view: Floats = rows[field][..., first : first + len(wanted), :]
        return _read_only(view.copy() if isinstance(tokens, Span) else view)
    found = _gather(rows, field, wanted, space_mask(tokens))
    return None if found is None else _read_only(found)


def token_sentences(doc: Doc, rows: Rows) -> Ints:
    """Number of each token's sentence as `elmo` read it, whatever boundaries were set since.

    It is -1 for white space. *Shape:* (n_tokens,).
    """
    numbers = np.asarray(rows["sentences"], dtype=np.int64)
    words = np.flatnonzero(numbers >= 0)
    found = np.full(len(doc), -1, dtype=np.int64)
    is_word = ~space_mask(doc)
    if len(words):
        # A token has the sentence of its first piece that is a word: the retokenizer may have
        # merged white space into it.
        starts = token_facts(doc, "IDX")[is_word, 0]
        first = np.searchsorted(rows["offsets"][words, 1], starts, side="right")
        found[is_word] = numbers[words[np.minimum(first, len(words) - 1)]]
    return found


def _gather(rows: Rows, field: str, wanted: Ints, is_space: Bools) -> Floats | None:
    """Rows for characters [start, end); None if some that are no white space have none."""
    values, offsets, text = rows[field], rows["offsets"], rows["text"]
    first = np.searchsorted(offsets[:, 1], wanted[:, 0], side="right")
    last = np.searchsorted(offsets[:, 0], wanted[:, 1], side="left")
    if ((last <= first) & ~is_space).any():
        return None
    found = np.zeros((*values.shape[:-2], len(wanted), values.shape[-1]), dtype=values.dtype)
    single = (last - first == 1) & ~is_space
    found[..., single, :] = values[..., first[single], :]
    for k in np.flatnonzero((last - first > 1) & ~is_space).tolist():
        words = [
            row
            for row in range(first[k], last[k])
            if not text[offsets[row, 0] : offsets[row, 1]].isspace()
        ]
        if words:
            found[..., k, :] = _POOLED.get(field, _mean)(values[..., words, :])
    return found


def _mean(pieces: Floats) -> Floats:
    mean: Floats = pieces.mean(axis=-2)
    return mean


def _sum(pieces: Floats) -> Floats:
    total: Floats = pieces.sum(axis=-2)
    return total


def around(pieces: Floats) -> Floats:
    """The context around some tokens in a row: before the first, after the last.

    Args:
        pieces: The contexts of each. *Shape:* (n_directions, n_tokens, width / n_directions).

    Returns:
        *Shape:* (n_directions, width / n_directions).
    """
    return np.stack([half[-direction] for direction, half in enumerate(pieces)])


# What a merged token has of its pieces.
_POOLED = {"context": around, "scores": _sum}


def _read_only(array: Floats) -> Floats:
    view = array.view()
    view.flags.writeable = False
    return view
