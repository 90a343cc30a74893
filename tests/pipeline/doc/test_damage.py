"""User data that came damaged out of a file: one error that says so, whatever is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import srsly
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo import ElmoError, trim
from spacy_elmo.pipeline.hooks import set_hooks

Make = Callable[..., Language]
TEXT = "They sat on the river bank.  The bank raised its rates."
MESSAGE = r"`\._\.elmo` of the Doc 'They sat on.* does not hold vectors of `elmo`: "


@pytest.fixture(scope="module")
def seen() -> dict[str, bytes]:
    return {}


@pytest.fixture
def data(make_nlp: Make, seen: dict[str, bytes]) -> bytes:
    if not seen:
        doc = make_nlp(keep_layers=True)(TEXT)
        (rows,) = doc.user_data.values()
        rows["mean"] = np.zeros(rows["vectors"].shape[1], dtype=np.float32)
        seen["bytes"] = doc.to_bytes()
    return seen["bytes"]


ACCESSES: list[Callable[[Doc], Any]] = [
    lambda doc: doc._.elmo,
    lambda doc: doc._.elmo_vectors,
    lambda doc: doc._.elmo_layers,
    lambda doc: doc[1:4]._.elmo,
    lambda doc: doc[5]._.elmo,
    lambda doc: doc[5]._.elmo_layers,
    lambda doc: doc[5]._.elmo_similarity(doc[9]),
    set_hooks,
    trim,
]


def damaged(vocab: Any, data: bytes, change: Callable[[dict[str, Any]], Any]) -> Doc:
    """The Doc with its rows replaced by what `change` makes of them."""
    doc = Doc(vocab).from_bytes(data)
    (key,) = doc.user_data
    rows = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in doc.user_data[key].items()}
    doc.user_data = {key: change(rows)}
    return doc


def changed(**items: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda rows: {
        **rows,
        **{name: item(rows[name]) if callable(item) else item for name, item in items.items()},
    }


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda rows: {k: v for k, v in rows.items() if k != name}


def twisted(offsets: np.ndarray) -> np.ndarray:
    offsets[3] = offsets[1]
    return offsets


CASES = {
    "no dict": (lambda rows: [1, 2], "found a list instead of a dict"),
    "nothing": (lambda rows: None, "found a NoneType"),
    "no text": (without("text"), "its text is missing"),
    "text of bytes": (changed(text=b"They"), "its text is missing"),
    **{
        f"no {name}": (without(name), f"its {name} are missing")
        for name in ("offsets", "vectors", "sentences")
    },
    **{
        f"{name} as a list": (changed(**{name: lambda a: a.tolist()}), f"its {name} are missing")
        for name in ("offsets", "vectors", "sentences", "layers", "mean")
    },
    **{
        f"{name} without the last": (changed(**{name: lambda a: a[:-1]}), "are of shape")
        for name in ("offsets", "vectors", "sentences", "mean")
    },
    **{
        f"flat {name}": (changed(**{name: lambda a: a.reshape(-1)}), "are of shape")
        for name in ("offsets", "vectors", "layers")
    },
    "a single number": (changed(vectors=np.array(1.0)), "are of shape"),
    "layers of fewer tokens": (changed(layers=lambda a: a[:, 1:]), "layers are of shape"),
    "layers of another width": (changed(layers=lambda a: a[..., 1:]), "layers are of shape"),
    "whole numbers as vectors": (changed(vectors=lambda a: a.astype("i4")), "of type int32"),
    "texts as vectors": (changed(vectors=lambda a: a.astype("U4")), "of type <U4"),
    "fractions as offsets": (changed(offsets=lambda a: a.astype("f4")), "of type float32"),
    "offsets beyond the text": (changed(offsets=lambda a: a * 2), "do not stand for its text"),
    "offsets before the text": (changed(offsets=lambda a: a - 1), "do not stand for its text"),
    "huge offsets": (changed(offsets=lambda a: a.astype("i8") + 2**32), "do not stand for"),
    "offsets out of order": (changed(offsets=twisted), "do not stand for its text"),
    "a shorter text": (changed(text=lambda t: t[:5]), "do not stand for its text"),
    "huge sentences": (changed(sentences=lambda a: a.astype("i8") + 2**40), "are numbered"),
    "negative sentences": (changed(sentences=lambda a: a - 5), "are numbered"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_error_whatever_is_asked_for(nlp: Language, data: bytes, case: str) -> None:
    change, message = CASES[case]
    for access in ACCESSES:
        doc = damaged(nlp.vocab, data, change)
        with pytest.raises(ElmoError, match=MESSAGE + f".*{message}"):
            access(doc)
        doc._.elmo_vectors = None
        assert not doc.user_data
    doc = damaged(nlp.vocab, data, change)
    nlp.get_pipe("elmo")(doc)  # type: ignore[operator]
    assert doc._.elmo is not None, "run anew, as the message says"


@pytest.mark.parametrize("start", [None, "0", 0.5, True, 2**40, -(2**40)])
def test_a_damaged_key(nlp: Language, data: bytes, start: Any) -> None:
    doc = Doc(nlp.vocab).from_bytes(data)
    ((mark, name, _, end), rows) = next(iter(doc.user_data.items()))
    doc.user_data = {(mark, name, start, end): rows}
    with pytest.raises(ElmoError, match="where the first character should stand"):
        _ = doc._.elmo


def test_other_types_of_the_right_kind_are_read(nlp: Language, data: bytes) -> None:
    expected = Doc(nlp.vocab).from_bytes(data)._.elmo_vectors
    change = changed(
        vectors=lambda a: a.astype("f8"),
        offsets=lambda a: a.astype(">u2"),
        sentences=lambda a: a.astype("i8"),
        layers=lambda a: a.astype("f2"),
    )
    doc = damaged(nlp.vocab, data, change)
    np.testing.assert_array_equal(doc._.elmo_vectors, expected)
    assert doc._.elmo_vectors.dtype == doc._.elmo_layers.dtype == np.float32
    assert doc[5]._.elmo_similarity(doc[9]) < 1


def test_random_damage_gives_that_error_or_a_value(nlp: Language, data: bytes) -> None:
    """Bytes of the user data are changed at random, as far as spaCy still reads them."""
    message = srsly.msgpack_loads(data)
    random = np.random.default_rng(0)
    n_errors, others = 0, set()
    for _ in range(300):
        mutated = dict(message)
        name = "user_data_keys" if random.random() < 0.1 else "user_data_values"
        values = bytearray(message[name])
        # The arrays themselves are most of it: damage what says how to read them.
        structure = [k for k in range(len(values)) if 32 <= values[k] < 127 or values[k] > 127]
        for place in random.choice(structure, size=random.integers(1, 3)):
            values[place] = random.integers(256)
        mutated[name] = bytes(values)
        try:
            doc = Doc(nlp.vocab).from_bytes(srsly.msgpack_dumps(mutated))
        except Exception:
            continue
        for access in ACCESSES:
            try:
                access(doc)
            except ElmoError:
                n_errors += 1
            except ValueError as error:
                others.add(str(error).partition("has no ELMo vectors")[1])
    assert n_errors > 20
    assert others <= {"has no ELMo vectors"}
