"""A Doc that was cut out of another one keeps and writes its own vectors alone."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from spacy.language import Language
from spacy.tokens import Doc, DocBin

import spacy_elmo
from spacy_elmo.pipeline.hooks import set_hooks

Make = Callable[..., Language]
TEXT = "They sat on the river bank near the mill. "
N = 50


@pytest.fixture
def doc(make_nlp: Make) -> Doc:
    nlp = make_nlp(keep_layers=True)
    nlp.add_pipe("sentencizer", first=True)
    return nlp(TEXT * N)


def cut(doc: Doc) -> list[Doc]:
    return [sentence.as_doc(copy_user_data=True) for sentence in doc.sents]


def n_rows(doc: Doc) -> int:
    return sum(len(rows["vectors"]) for rows in doc.user_data.values())


def n_bytes(docs: list[Doc]) -> int:
    return sum(len(doc.to_bytes(exclude=["tensor"])) for doc in docs)


def test_a_trimmed_doc_is_as_large_as_its_text(doc: Doc) -> None:
    parts = cut(doc)
    assert n_bytes(parts) > 10 * len(doc.to_bytes())
    vectors = doc._.elmo_vectors
    for part, sentence in zip(parts, doc.sents, strict=True):
        assert spacy_elmo.trim(part) is part
        assert n_rows(part) == len(part)
        np.testing.assert_array_equal(part._.elmo_vectors, vectors[sentence.start : sentence.end])
        np.testing.assert_array_equal(
            part._.elmo_layers, doc._.elmo_layers[:, sentence.start : sentence.end]
        )
    # What is left above the whole's size is what every Doc has.
    plain = n_bytes([sentence.as_doc() for sentence in doc.sents])
    assert n_bytes(parts) < len(doc.to_bytes()) + plain + 1000 * len(parts)
    again = DocBin(store_user_data=True, docs=parts).get_docs(doc.vocab)
    assert [n_rows(part) for part in again] == [len(part) for part in parts]
    assert n_rows(pickle.loads(pickle.dumps(parts[1]))) == len(parts[1])


@pytest.mark.parametrize(
    "touch",
    [
        lambda doc: doc._.elmo,
        lambda doc: doc[1]._.elmo,
        lambda doc: doc[1:3]._.elmo_vectors,
        lambda doc: doc._.elmo_layers,
        lambda doc: doc[0]._.elmo_similarity(doc[1]),
        set_hooks,
    ],
)
def test_any_access_trims(doc: Doc, touch: Callable[[Doc], object]) -> None:
    part = doc[9:20].as_doc(copy_user_data=True)
    assert n_rows(part) == len(doc)
    touch(part)
    assert n_rows(part) == len(part)


def test_a_whole_doc_stays_as_it_is(doc: Doc, nlp: Language) -> None:
    (before,) = doc.user_data.values()
    spacy_elmo.trim(doc)
    assert next(iter(doc.user_data.values())) is before
    plain = nlp.make_doc("a")
    plain.user_data["mine"] = [1]
    assert spacy_elmo.trim(plain).user_data == {"mine": [1]}


def test_all_attributes_are_trimmed_and_nothing_else(make_nlp: Make, weights: str) -> None:
    nlp = make_nlp()
    nlp.add_pipe(
        "elmo", name="top", config={"model": {"weights": str(weights)}, "attribute": "top"}
    )
    doc = nlp(TEXT * 3)
    doc.user_data["mine"] = "kept"
    part = doc[3:7].as_doc(copy_user_data=True)
    spacy_elmo.trim(part)
    assert part.user_data.pop("mine") == "kept"
    assert [len(rows["vectors"]) for rows in part.user_data.values()] == [4, 4]
    np.testing.assert_array_equal(part._.top_vectors, doc._.top_vectors[3:7])


def test_the_component_trims_what_another_one_left(make_nlp: Make) -> None:
    part = make_nlp(attribute="other")(TEXT * 3)[3:7].as_doc(copy_user_data=True)
    nlp = make_nlp()
    nlp.get_pipe("elmo")(part)  # type: ignore[operator]
    assert n_rows(part) == 2 * len(part)


def test_vectors_of_another_text_are_dropped(nlp: Language) -> None:
    doc = nlp("The bank")
    other = Doc(doc.vocab, words=["xyz"])
    other.user_data = dict(doc.user_data)
    spacy_elmo.trim(other)
    assert not other.user_data
