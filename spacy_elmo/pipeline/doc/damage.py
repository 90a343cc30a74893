"""What a Doc brings along is checked once: user data comes from files, and files are damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spacy_elmo.errors import ElmoError

# Characters of a text, and numbers of sentences, stay far below: sums of two fit into 32 bits.
LIMIT = 2**30


def checked(where: str, start: Any, value: Any) -> dict[str, Any]:
    """Rows as they are found in a Doc's user data, with arrays of the types we write.

    Args:
        where: The Doc and the attribute, for the message.
        start: The character of the Doc's text at which the rows' text begins.
        value: What is found.

    Returns:
        The items of `Rows`, and whatever else there was.

    Raises:
        ElmoError: For what cannot be rows.
    """
    problem = _problem(start, value)
    if problem:
        raise ElmoError(
            f"{where} does not hold vectors of `elmo`: {problem}. The user data of the Doc is "
            "damaged. Drop it with doc._.NAME_vectors = None (NAME is the attribute of the "
            "component), and run the pipeline over the Doc anew"
        )
    found = dict(value)
    for name, dtype in _TYPES.items():
        if name in found:
            found[name] = found[name].astype(dtype, copy=False)
    return found


_TYPES = {
    "offsets": np.int32,
    "vectors": np.float32,
    "sentences": np.int32,
    "layers": np.float32,
    "mean": np.float32,
    "context": np.float32,
    "context_mean": np.float32,
    "scores": np.float32,
}
_OPTIONAL = ("layers", "mean", "context", "context_mean", "scores")


def _problem(start: Any, value: Any) -> str:
    """What is wrong, or an empty string."""
    if not isinstance(start, int) or isinstance(start, bool) or abs(start) > LIMIT:
        return f"its key has {start!r} where the first character should stand"
    if not isinstance(value, Mapping):
        return f"found a {type(value).__name__} instead of a dict"
    if not isinstance(value.get("text"), str):
        return "its text is missing"
    for name, dtype in _TYPES.items():
        if name not in value and name in _OPTIONAL:
            continue
        array = value.get(name)
        if not isinstance(array, np.ndarray):
            return f"its {name} are missing"
        kinds = "f" if np.issubdtype(dtype, np.floating) else "iu"
        if array.dtype.kind not in kinds:
            return f"its {name} are of type {array.dtype}"
    n_rows = len(value["vectors"]) if value["vectors"].ndim else 0
    width = value["vectors"].shape[-1] if value["vectors"].ndim else 0
    shapes = {
        "offsets": (n_rows, 2),
        "vectors": (n_rows, width),
        "sentences": (n_rows,),
        "layers": (None, n_rows, width),
        "mean": (width,),
        "context": (None, n_rows, None),
        "context_mean": (width,),
        "scores": (None, n_rows, 2),
    }
    for name, shape in shapes.items():
        found = value[name].shape if name in value else None
        if found is not None and not _fits(found, shape):
            expected = " x ".join("any" if size is None else str(size) for size in shape)
            return f"its {name} are of shape {found}, expected {expected}"
    if "context" in value and value["context"].shape[::2] not in ((1, width), (2, width / 2)):
        return f"its context is of shape {value['context'].shape}, for vectors of width {width}"
    return _problem_of_numbers(value)


def _fits(found: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(found) == len(expected) and all(
        size in (None, have) for have, size in zip(found, expected, strict=True)
    )


def _problem_of_numbers(value: Mapping[str, Any]) -> str:
    # In their own type: what does not fit into 32 bits must not come around as something small.
    offsets, sentences = value["offsets"], value["sentences"]
    if offsets.size:
        starts, ends = offsets[:, 0], offsets[:, 1]
        in_order = (starts <= ends).all() and (ends[:-1] <= starts[1:]).all()
        if not in_order or starts[0] < 0 or ends[-1] > len(value["text"]):
            return "its offsets do not stand for its text"
    if sentences.size and (sentences.min() < -1 or sentences.max() > LIMIT):
        return f"its sentences are numbered {sentences.min()} to {sentences.max()}"
    return ""
