"""Many similarities at once are those of `elmo_similarity`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spacy.language import Language

from spacy_elmo import similarity_matrix
from tests.tiny import tiny_lm

Make = Callable[..., Language]
TEXT = "They sat on the river bank.  The bank raised its rates."


@pytest.fixture(params=[True, False])
def nlp(request: pytest.FixtureRequest, make_nlp: Make, tmp_path: Path) -> Language:
    """With a mean vector, and without."""
    lm = tiny_lm()
    if request.param:
        lm.measure_mean([TEXT.split()])
    lm.save(tmp_path / "weights")
    return make_nlp(model={"weights": str(tmp_path / "weights")})


def expected(objects: list[Any], others: list[Any]) -> list[list[float]]:
    return [[one._.elmo_similarity(other) for other in others] for one in objects]


def test_with_each_other(nlp: Language) -> None:
    doc, other = nlp(TEXT), nlp("A river bank")
    objects = [*doc, doc[2:5], doc[7:8], other[1], other]
    found = similarity_matrix(objects)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(objects, objects), atol=1e-6)
    assert not found[7].any(), "white space has a zero vector"
    np.testing.assert_array_equal(similarity_matrix(doc), found[: len(doc), : len(doc)])


def test_with_others(nlp: Language) -> None:
    doc, other = nlp(TEXT), nlp("A river bank")
    found = similarity_matrix(iter(doc), (token for token in other))
    np.testing.assert_allclose(found, expected(list(doc), list(other)), atol=1e-6)


def test_with_nothing(nlp: Language) -> None:
    doc = nlp(TEXT)
    assert similarity_matrix([]).shape == (0, 0)
    assert similarity_matrix([], doc).shape == (0, len(doc))
    assert similarity_matrix(doc, []).shape == (len(doc), 0)


def test_what_cannot_be_compared(nlp: Language, make_nlp: Make, tmp_path: Path) -> None:
    doc = nlp(TEXT)
    with pytest.raises(TypeError, match="a str has no vector in context"):
        similarity_matrix(["bank", "bank"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="has no ELMo vectors"):
        similarity_matrix(nlp.make_doc(TEXT))
    tiny_lm(projection_dim=5).save(tmp_path / "narrow")
    narrow = make_nlp(model={"weights": str(tmp_path / "narrow")})(TEXT)
    for arguments in ([[doc[0], narrow[0]]], [doc, narrow]):
        with pytest.raises(ValueError, match="width 16 and 10 cannot be compared"):
            similarity_matrix(*arguments)


def test_another_attribute(make_nlp: Make) -> None:
    doc = make_nlp(attribute="context")(TEXT)
    found = similarity_matrix(doc, attribute="context")
    assert found[5, 9] == pytest.approx(doc[5]._.context_similarity(doc[9]), abs=1e-6)
