"""What `elmo` leaves on a Doc: one array, with the characters its rows stand for.

The array lies in `Doc.user_data` under a key that spaCy takes for the key of a span's extension
attribute: it names the first and the last character. So `to_bytes` and `DocBin` keep it, and
`Span.as_doc(copy_user_data=True)` and `Doc.from_docs`, which drop what belongs to a whole Doc, move
it along with the text. What they leave behind, rows that reach beyond the new text or several
arrays for one text, is put in order when it is first read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from spacy_elmo.pipeline.doc.tokens import character_offsets
from spacy_elmo.types import Floats, Ints

Key = tuple[str, str, int, int]


class Rows(dict[str, Any]):
    """Rows that are known to stand for the whole text of the Doc they lie on.

    A dict, because that is what serialisation gives back. Its items:

    - `text`: The text without white space at its end.
    - `offsets`: First character and end of each row. *Shape:* (n_rows, 2), int32.
    - `vectors`: The mixed vectors. *Shape:* (n_rows, width).
    - `sentences`: Number of the sentence each row was read in, -1 for white space.
      *Shape:* (n_rows,), int32.
    - `layers`: All layers, where they were kept. *Shape:* (n_layers, n_rows, width).
    - `mean`: What to subtract before a cosine, where the weights carry it. *Shape:* (width,).
    """

    def __copy__(self) -> dict[str, Any]:
        # spaCy copies user data one by one only on the way to a Doc with another text.
        return dict(self)


def write(
    doc: Doc,
    attribute: str,
    vectors: Floats,
    sentences: NDArray[np.int32],
    *,
    layers: Floats | None = None,
    mean: Floats | None = None,
) -> Rows:
    """Keep arrays on a Doc, in place of what it had under this attribute.

    Args:
        doc: The Doc.
        attribute: The `attribute` of the component.
        vectors: *Shape:* (n_tokens, width).
        sentences: *Shape:* (n_tokens,).
        layers: *Shape:* (n_layers, n_tokens, width).
        mean: *Shape:* (width,).

    Returns:
        What is kept.
    """
    rows = Rows(
        text=_text(doc),
        offsets=character_offsets(doc).astype(np.int32),
        vectors=vectors,
        sentences=sentences,
    )
    if layers is not None:
        rows["layers"] = layers
    if mean is not None:
        rows["mean"] = mean
    free(doc, attribute)
    _keep(doc, attribute, rows)
    return rows


def free(doc: Doc, attribute: str) -> None:
    """Drop everything kept on a Doc under this attribute."""
    for key in _keys(doc, attribute):
        _user_data(doc).pop(key, None)


def read(doc: Doc, attribute: str) -> Rows | None:
    """The rows of a Doc, or None before `elmo` has run."""
    rows = _user_data(doc).get(_home(doc, attribute))
    if isinstance(rows, Rows):
        return rows
    keys = _keys(doc, attribute)
    if not keys:
        return None
    data = _user_data(doc)
    pieces = [Piece(key[2], data[key]) for key in keys if key in data]
    joined = _join(_text(doc), pieces)
    if joined is not None:
        _keep(doc, attribute, joined)
        home = _home(doc, attribute)
        for key in keys:
            if key != home:
                data.pop(key, None)
    return joined


def _user_data(doc: Doc) -> dict[Any, Any]:
    return doc.user_data  # typed by spaCy as if its keys were strings


def _n_characters(doc: Doc) -> int:
    # White space behind the last token does not count: `Doc.from_docs` may add some.
    return doc[-1].idx + len(doc[-1]) if len(doc) else 0


def _text(doc: Doc) -> str:
    text: str = doc.text
    return text[: _n_characters(doc)]


def _home(doc: Doc, attribute: str) -> Key:
    # First and last word are in the name so that arrays of two Docs that are cut and joined do not
    # end under one key, where the one would replace the other.
    ends = doc[0].orth ^ doc[-1].orth if len(doc) else 0
    return ("._.", f"{_prefix(attribute)}{ends:x}", 0, _n_characters(doc))


def _prefix(attribute: str) -> str:
    return f"{attribute}:rows:"


def _keys(doc: Doc, attribute: str) -> list[Key]:
    prefix = _prefix(attribute)
    return [
        key
        for key in list(_user_data(doc))
        if isinstance(key, tuple)
        and len(key) == 4
        and key[0] == "._."
        and str(key[1]).startswith(prefix)
    ]


def _keep(doc: Doc, attribute: str, rows: Rows) -> None:
    for value in rows.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    _user_data(doc)[_home(doc, attribute)] = rows


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


def _join(text: str, pieces: Iterable[Piece]) -> Rows | None:
    """The rows whose text is found in `text` at their place, in its order.

    Where pieces overlap, one whose whole text is found goes before one found in part, and a longer
    match before a shorter one: a piece cut by `Span.as_doc` still holds the rows that were cut off,
    and these may agree by chance with a word of the text that now follows.
    """
    pieces = list(pieces)
    if len(pieces) == 1 and pieces[0].start == 0 and pieces[0].rows["text"] == text:
        return Rows(pieces[0].rows)
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
) -> Rows:
    widths = {rows["vectors"].shape[-1] for rows, _, _ in parts}
    if len(widths) > 1:
        raise ValueError(
            f"parts of this Doc have ELMo vectors of different widths {sorted(widths)}: they come "
            "from different models; run one `elmo` component over the whole Doc"
        )
    joined = Rows(
        text=text,
        offsets=np.concatenate([offsets for _, _, offsets in parts]),
        vectors=np.concatenate([rows["vectors"][index] for rows, index, _ in parts]),
        sentences=_renumbered([rows["sentences"][index] for rows, index, _ in parts]),
    )
    if all("layers" in rows for rows, _, _ in parts):
        layers = [rows["layers"][:, index] for rows, index, _ in parts]
        if len({len(part) for part in layers}) == 1:
            joined["layers"] = np.concatenate(layers, axis=1)
    first = parts[0][0]
    if "mean" in first:
        joined["mean"] = first["mean"]
    return joined


def _renumbered(parts: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Sentence numbers of parts in a row, so that no two parts share one."""
    numbers = []
    first = 0
    for part in parts:
        numbers.append(np.where(part < 0, part, part + np.int32(first)))
        first = max(first, int(numbers[-1].max(initial=-1)) + 1)
    return np.concatenate(numbers)
