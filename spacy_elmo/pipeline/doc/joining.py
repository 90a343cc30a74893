"""The rows of a Doc's text, put together out of the rows of other texts that it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.types import Ints


class Piece(NamedTuple):
    """Rows of some text, and where in the Doc's text their text begins (it may be before it)."""

    start: int
    rows: Mapping[str, Any]


class _Match(NamedTuple):
    """Characters [start, end) of the Doc's text that are also the piece's; whole: all of it."""

    whole: bool
    start: int
    end: int
    piece: Piece


def join(text: str, pieces: Iterable[Piece]) -> dict[str, Any] | None:
    """The rows whose text is found in `text` at their place, in its order.

    Where pieces overlap, one whose whole text is found goes before one found in part, and a longer
    match before a shorter one: a piece cut by `Span.as_doc` still holds the rows that were cut off,
    and these may agree by chance with a word of the text that now follows.
    """
    pieces = list(pieces)
    if len(pieces) == 1 and pieces[0].start == 0 and pieces[0].rows["text"] == text:
        return dict(pieces[0].rows)
    matches = [match for piece in pieces for match in _matches(text, piece)]
    matches.sort(key=lambda match: (not match.whole, match.start - match.end))
    taken = np.zeros(len(text), dtype=bool)
    parts: list[tuple[int, Mapping[str, Any], Ints, NDArray[np.int32]]] = []
    for match in matches:
        offsets = np.asarray(match.piece.rows["offsets"]) + np.int32(match.piece.start)
        first = int(np.searchsorted(offsets[:, 0], match.start))
        last = int(np.searchsorted(offsets[:, 1], match.end, side="right"))
        free_rows = [
            k for k in range(first, last) if not taken[offsets[k, 0] : offsets[k, 1]].any()
        ]
        for k in free_rows:
            taken[offsets[k, 0] : offsets[k, 1]] = True
        if free_rows:
            rows = np.asarray(free_rows)
            parts.append((int(offsets[rows[0], 0]), match.piece.rows, rows, offsets[rows]))
    if not parts:
        return None
    parts.sort(key=lambda part: part[0])
    return _concatenate(text, [(rows, index, offsets) for _, rows, index, offsets in parts])


def _matches(text: str, piece: Piece) -> Iterator[_Match]:
    """Runs of characters in which a piece's text agrees with the Doc's."""
    theirs: str = piece.rows["text"]
    start, end = piece.start, piece.start + len(theirs)
    if start >= 0 and text[start:end] == theirs:
        yield _Match(True, start, end, piece)
        return
    low, high = max(0, start), min(len(text), end)
    if low >= high:
        return
    equal = _characters(text[low:high]) == _characters(theirs[low - start : high - start])
    edges = np.flatnonzero(np.diff(equal.astype(np.int8), prepend=0, append=0))
    for run_start, run_end in edges.reshape(-1, 2).tolist():
        yield _Match(False, low + run_start, low + run_end, piece)


def _characters(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def _concatenate(
    text: str,
    parts: list[tuple[Mapping[str, Any], Ints, NDArray[np.int32]]],
) -> dict[str, Any]:
    widths = {rows["vectors"].shape[-1] for rows, _, _ in parts}
    if len(widths) > 1:
        raise ValueError(
            f"parts of this Doc have ELMo vectors of different widths {sorted(widths)}: they come "
            "from different models; run one `elmo` component over the whole Doc"
        )
    joined: dict[str, Any] = {
        "text": text,
        "offsets": np.concatenate([offsets for _, _, offsets in parts]),
        "vectors": np.concatenate([rows["vectors"][index] for rows, index, _ in parts]),
        "sentences": _renumbered([rows["sentences"][index] for rows, index, _ in parts]),
    }
    for name in ("layers", "context", "scores"):
        if all(name in rows for rows, _, _ in parts):
            values = [rows[name][:, index] for rows, index, _ in parts]
            if len({(len(part), *part.shape[2:]) for part in values}) == 1:
                joined[name] = np.concatenate(values, axis=1)
    first = parts[0][0]
    joined.update({name: first[name] for name in ("mean", "context_mean") if name in first})
    return joined


def _renumbered(parts: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Sentence numbers of parts in a row, so that no two parts share one."""
    numbers = []
    first = 0
    for part in parts:
        numbers.append(np.where(part < 0, part, part + np.int32(first)))
        first = max(first, int(numbers[-1].max(initial=-1)) + 1)
    return np.concatenate(numbers)
