"""A pipeline splits and finds sentences as it does when it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language

from spacy_elmo import BiLM, EmbeddingError, embed
from spacy_elmo.pipeline import factory  # noqa: F401  (registers the factory)
from tests.embedding.conftest import TEXTS
from tests.embedding.outputs import read, read_docs


@pytest.fixture
def nlp(weights: Path) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, "keep_layers": True})
    return nlp


@pytest.mark.parametrize("saved", [False, True])
def test_the_same_as_pipe(saved: bool, nlp: Language, tmp_path: Path) -> None:
    given: Language | Path = nlp
    if saved:
        given = tmp_path / "saved"
        nlp.to_disk(given)
    embed(given, TEXTS, tmp_path / "x.npy", layers="average")
    embed(given, TEXTS, tmp_path / "y.npy", layers="all")
    embed(given, TEXTS, tmp_path / "z.spacy", layers="average")
    docs = list(nlp.pipe(TEXTS))
    # Two sentences: as one, their vectors would be others.
    assert len(list(docs[6].sents)) == 2
    rows = zip(
        docs,
        read(tmp_path / "x.npy"),
        read(tmp_path / "y.npy"),
        read_docs(tmp_path / "z.spacy"),
        strict=True,
    )
    for doc, average, layers, other in rows:
        assert doc.text == other.text
        for found, expected in (
            (average, doc._.elmo_vectors),
            (layers, doc._.elmo_layers.swapaxes(0, 1)),
            (other._.elmo_vectors, doc._.elmo_vectors),
        ):
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, atol=1e-5)
        assert [s.text for s in other.sents] == [s.text for s in doc.sents]


def test_what_is_read_of_a_token(weights: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, "token_attr": "LOWER"})
    embed(nlp, TEXTS, tmp_path / "x.npy", layers="average")
    lower = nlp(TEXTS[0])._.elmo_vectors
    np.testing.assert_allclose(read(tmp_path / "x.npy")[0], lower, atol=1e-5)


@pytest.mark.parametrize("bare", [False, True])
def test_the_vectors_of_given_docs_stay(
    bare: bool, nlp: Language, lm: BiLM, tmp_path: Path
) -> None:
    docs = list(nlp.pipe(TEXTS))
    before = [(doc._.elmo_vectors, doc._.elmo_layers) for doc in docs]
    embed(lm if bare else nlp, docs, tmp_path / "z.spacy", layers="top")
    for doc, other, (vectors, layers) in zip(
        docs, read_docs(tmp_path / "z.spacy"), before, strict=True
    ):
        np.testing.assert_array_equal(doc._.elmo_vectors, vectors)
        np.testing.assert_array_equal(doc._.elmo_layers, layers)
        np.testing.assert_allclose(other._.elmo_vectors, layers[-1], atol=1e-5)


def test_components_after_it_do_not_run(nlp: Language, tmp_path: Path) -> None:
    @Language.component("fails-after-elmo")
    def fails(doc: object) -> object:
        raise AssertionError

    nlp.add_pipe("fails-after-elmo")
    assert embed(nlp, TEXTS, tmp_path / "x.npy", tokenized=True).n_entries == len(TEXTS)
    assert nlp.pipe_names == ["sentencizer", "elmo", "fails-after-elmo"]


def test_without_one_elmo(nlp: Language, lm: BiLM, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"no `elmo` component, only : add one"):
        embed(spacy.blank("en"), TEXTS, tmp_path / "x.npy")
    nlp.add_pipe("elmo", name="second", config={"attribute": "second"})
    with pytest.raises(EmbeddingError, match=r"several `elmo` components \(elmo, second\)"):
        embed(nlp, TEXTS, tmp_path / "x.npy")
