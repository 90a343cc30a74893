"""What has been learned as bytes: names as msgpack, arrays as safetensors. Checked when read."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import srsly
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.doc.fed import TOKEN_ATTRS
from spacy_elmo.pipeline.senses.learned import Learned, WordSenses

VERSION = 1


def to_bytes(learned: Learned | None) -> bytes:
    """What has been learned, or that nothing has, as bytes."""
    message: dict[str, Any] = {"version": VERSION, "learned": None}
    if learned is not None:
        words = list(learned.words.values())
        empty = np.zeros((0, 2, len(learned.mean)), dtype=np.float32)
        arrays = {
            "mean": learned.mean,
            "edges": learned.edges,
            "lengths": np.array([len(word.numbers) for word in words], dtype=np.int64),
            "numbers": np.concatenate([np.zeros(0, np.int64), *(word.numbers for word in words)]),
            "states": np.concatenate([empty, *(word.states for word in words)]),
        }
        message["learned"] = {
            "attr": learned.attr,
            "words": [[list(key), list(word.names)] for key, word in learned.words.items()],
            "arrays": save_arrays({k: np.ascontiguousarray(each) for k, each in arrays.items()}),
        }
    data: bytes = srsly.msgpack_dumps(message)
    return data


def from_bytes(data: bytes, where: str) -> Learned | None:
    """What `to_bytes` wrote, checked.

    Args:
        data: The bytes. Nothing larger than them is made.
        where: Where they are from, for messages.

    Raises:
        ElmoError: For anything else.
    """
    try:
        message = srsly.msgpack_loads(data)
        version = message["version"]
        if version != VERSION:
            raise ValueError(f"version {version!r}, expected {VERSION}")
        return None if message["learned"] is None else _checked(message["learned"])
    except Exception as error:  # msgpack, safetensors and numpy each have errors of their own
        raise ElmoError(
            f"{where}: holds no senses of this package, or damaged ones "
            f"({type(error).__name__}: {error}). Restore it, or initialise the component anew"
        ) from error


def _checked(message: dict[str, Any]) -> Learned:
    attr, arrays = message["attr"], load_arrays(message["arrays"])
    _require(attr in TOKEN_ATTRS, f"unknown attr {attr!r}")
    mean, edges, states = (arrays[name] for name in ("mean", "edges", "states"))
    lengths, numbers = arrays["lengths"], arrays["numbers"]
    _require(
        mean.ndim == 1 and edges.shape == mean.shape and states.shape[1:] == (2, len(mean)),
        f"shapes {mean.shape}, {edges.shape} and {states.shape} do not fit",
    )
    for name in ("mean", "edges", "states"):
        _require(arrays[name].dtype == np.float32, f"{name} is {arrays[name].dtype}")
        _require(bool(np.isfinite(arrays[name]).all()), f"{name} holds what is no finite number")
    for name in ("lengths", "numbers"):
        _require(arrays[name].dtype == np.int64 and arrays[name].ndim == 1, f"{name} is no list")
    _require(bool((lengths > 0).all()), "a word without examples")
    _require(
        len(message["words"]) == len(lengths) and int(lengths.sum()) == len(numbers) == len(states),
        "the arrays are of other numbers of examples",
    )
    words = {}
    start = 0
    for (key, names), length in zip(message["words"], lengths.tolist(), strict=True):
        part = slice(start, start + length)
        start += length
        for each in (key, names):
            _require(bool(each) and all(isinstance(text, str) and text for text in each), "no name")
        present = np.unique(numbers[part]).tolist()
        _require(
            list(names) == sorted(set(names)) and present == list(range(len(names))),
            f"the senses of {key} do not fit its examples",
        )
        _require(tuple(key) not in words, f"{key} twice")
        words[tuple(key)] = WordSenses(tuple(names), numbers[part], cast(Any, states[part]))
    return Learned(attr, mean, edges, words)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
