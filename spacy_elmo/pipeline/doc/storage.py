"""What `elmo` leaves on a Doc: one array, with the characters its rows stand for.

The array lies in `Doc.user_data` under a key that spaCy takes for the key of a span's extension
attribute: it names the first and the last character. So `to_bytes` and `DocBin` keep it, and
`Span.as_doc(copy_user_data=True)` and `Doc.from_docs`, which drop what belongs to a whole Doc, move
it along with the text. What they leave behind, rows that reach beyond the new text or several
arrays for one text, is put in order when it is first read, or by `trim`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from spacy_elmo.pipeline.doc.damage import checked
from spacy_elmo.pipeline.doc.joining import Piece, join
from spacy_elmo.pipeline.doc.tokens import character_offsets
from spacy_elmo.types import Floats

Key = tuple[str, str, int, int]

# What stands behind the attribute's name in a key.
_MARK = ":rows:"


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
    - `context`: The states around each row, where they were kept, by direction.
      *Shape:* (n_directions, n_rows, width / n_directions).
    - `scores`: Where they were kept, the surprisal of each row by direction, in bits, and where a
      sentence begins or ends in it, that of the mark, else NaN.
      *Shape:* (n_directions, n_rows, 2).
    - `context_mean`: What to subtract from those, both directions side by side.
      *Shape:* (width,).
    """

    def __copy__(self) -> dict[str, Any]:
        # spaCy copies user data one by one only on the way to a Doc with another text.
        return dict(self)


def write(
    doc: Doc,
    attribute: str,
    vectors: Floats,
    sentences: NDArray[np.int32],
    **items: Floats | None,
) -> Rows:
    """Keep arrays on a Doc, in place of what it had under this attribute.

    Args:
        doc: The Doc.
        attribute: The `attribute` of the component.
        vectors: *Shape:* (n_tokens, width).
        sentences: *Shape:* (n_tokens,).
        items: The other items of `Rows`; None: this one is not kept.

    Returns:
        What is kept.
    """
    rows = Rows(
        text=_text(doc),
        offsets=character_offsets(doc).astype(np.int32),
        vectors=vectors,
        sentences=sentences,
    )
    rows.update({name: value for name, value in items.items() if value is not None})
    free(doc, attribute)
    _keep(doc, attribute, rows)
    return rows


def free(doc: Doc, attribute: str) -> None:
    """Drop everything kept on a Doc under this attribute."""
    for key in _keys(doc, attribute):
        _user_data(doc).pop(key, None)


def read(doc: Doc, attribute: str) -> Rows | None:
    """The rows of a Doc, or None before `elmo` has run.

    Raises:
        ElmoError: When what lies on the Doc is damaged.
    """
    rows = _user_data(doc).get(_home(doc, attribute))
    if isinstance(rows, Rows):
        return rows
    keys = _keys(doc, attribute)
    if not keys:
        return None
    data = _user_data(doc)
    where = f"`._.{attribute}` of the Doc {_beginning(doc)!r}"
    pieces = [Piece(key[2], checked(where, key[2], data[key])) for key in keys if key in data]
    joined = join(_text(doc), pieces)
    if joined is None:
        return None
    rows = Rows(joined)
    _keep(doc, attribute, rows)
    home = _home(doc, attribute)
    for key in keys:
        if key != home:
            data.pop(key, None)
    return rows


def drop(doc: Doc, attribute: str, item: str) -> None:
    """Keep the vectors of a Doc without another item, the layers say."""
    rows = read(doc, attribute)
    if rows is not None and item in rows:
        _keep(doc, attribute, Rows({k: v for k, v in rows.items() if k != item}))


def trim(doc: Doc) -> Doc:
    """Let a Doc that was cut out of another one keep the vectors of its own text alone.

    `Span.as_doc(copy_user_data=True)` hands the vectors of the whole Doc on. The first access to
    an attribute such as `doc._.elmo` leaves those of the span; until then `to_bytes`, `DocBin`,
    `pickle` and `nlp.pipe(n_process=2)` write all of them.

    Args:
        doc: The Doc; any other than a cut one stays as it is.

    Returns:
        The Doc itself, for use inside an expression.

    Raises:
        ElmoError: When what lies on the Doc is damaged.
    """
    for attribute in kept_attributes(doc):
        if read(doc, attribute) is None:  # nothing stands for its text, nor ever will
            free(doc, attribute)
    return doc


def kept_attributes(doc: Doc) -> list[str]:
    """The attributes, "elmo" for one, under which something is kept on a Doc."""
    names = [
        str(key[1]).partition(_MARK)[0]
        for key in _user_data(doc)
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "._." and _MARK in str(key[1])
    ]
    return list(dict.fromkeys(names))


def _beginning(doc: Doc) -> str:
    text: str = doc[:8].text
    return text if len(text) <= 40 else f"{text[:40]}..."


def _user_data(doc: Doc) -> dict[Any, Any]:
    return doc.user_data  # typed by spaCy as if its keys were strings


def _text(doc: Doc) -> str:
    # White space behind the last token does not count: `Doc.from_docs` may add some.
    if not len(doc):
        return ""
    last = doc[-1]
    text: str = doc.text
    return text[: last.idx + len(last)]


def _home(doc: Doc, attribute: str) -> Key:
    # First and last word are in the name so that arrays of two Docs that are cut and joined do not
    # end under one key, where the one would replace the other.
    if not len(doc):
        return ("._.", f"{_prefix(attribute)}0", 0, 0)
    last = doc[-1]
    return ("._.", f"{_prefix(attribute)}{doc[0].orth ^ last.orth:x}", 0, last.idx + len(last))


def _prefix(attribute: str) -> str:
    return f"{attribute}{_MARK}"


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
