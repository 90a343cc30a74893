"""The extension attributes: values, before and after the run, names, similarity."""

from __future__ import annotations

import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span, Token

from spacy_elmo.bilm import BiLM
from spacy_elmo.pipeline.hooks import set_hooks
from tests.tiny import N_LAYERS, WIDTH, tiny_lm

TEXT = "They sat on the river bank.  The bank raised its rates."
Make = Callable[..., Language]


@pytest.fixture
def own_extensions() -> Iterator[list[tuple[type, str]]]:
    """A list of extension attributes to take away again."""
    added: list[tuple[type, str]] = []
    yield added
    for owner, name in added:
        owner.remove_extension(name)  # type: ignore[attr-defined]


def test_values_are_the_plain_average_of_the_layers(make_nlp: Make, weights: str) -> None:
    doc = make_nlp(keep_layers=True)(TEXT)
    words = [token.text for token in doc if not token.is_space]
    (layers,) = BiLM.from_pretrained(weights).encode([words])
    kept = [token.i for token in doc if not token.is_space]
    np.testing.assert_allclose(doc._.elmo_layers[:, kept], layers, atol=1e-6)
    np.testing.assert_allclose(doc._.elmo_vectors[kept], layers.mean(axis=0), atol=1e-6)
    assert doc._.elmo_vectors.dtype == np.float32
    assert doc._.elmo_vectors.shape == (len(doc), WIDTH)
    assert doc._.elmo_layers.shape == (N_LAYERS, len(doc), WIDTH)
    for token in doc:
        np.testing.assert_array_equal(token._.elmo, doc._.elmo_vectors[token.i])
        np.testing.assert_array_equal(token._.elmo_layers, doc._.elmo_layers[:, token.i])


def test_whitespace_has_a_zero_row_and_is_never_fed(nlp: Language) -> None:
    doc = nlp("river  bank\n\nraised")
    assert [token.is_space for token in doc] == [False, True, False, True, False]
    assert not doc._.elmo_vectors[[1, 3]].any()
    without = nlp("river bank raised")
    np.testing.assert_allclose(doc._.elmo_vectors[[0, 2, 4]], without._.elmo_vectors, atol=1e-6)


def test_spans_and_docs_pool_over_non_space_tokens(nlp: Language) -> None:
    doc = nlp(TEXT)
    words = [token.i for token in doc if not token.is_space]
    np.testing.assert_allclose(doc._.elmo, doc._.elmo_vectors[words].mean(axis=0), atol=1e-6)
    span = doc[5:9]
    inside = [i for i in range(5, 9) if i in words]
    assert len(inside) == 3
    np.testing.assert_allclose(span._.elmo, doc._.elmo_vectors[inside].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(span._.elmo_vectors, doc._.elmo_vectors[5:9])
    for nothing in (doc[3:3], doc[7:8], nlp("")[0:0], nlp("  ")):
        np.testing.assert_array_equal(nothing._.elmo, np.zeros(WIDTH, dtype=np.float32))
    assert nlp("")._.elmo_vectors.shape == (0, WIDTH)


def test_before_the_run_there_is_nothing(nlp: Language) -> None:
    doc = nlp.make_doc(TEXT)
    for obj in (doc, doc[1:3], doc[1]):
        assert obj._.elmo is None
        assert obj._.elmo_layers is None
        with pytest.raises(ValueError, match="has no ELMo vectors: run a pipeline"):
            obj._.elmo_similarity(doc)
    assert doc._.elmo_vectors is None
    assert doc[1:3]._.elmo_vectors is None


def test_layers_are_none_when_not_kept(nlp: Language) -> None:
    doc = nlp(TEXT)
    assert doc._.elmo_layers is None
    assert doc[1]._.elmo_layers is None
    assert doc[1:3]._.elmo_layers is None


def test_arrays_are_read_only(make_nlp: Make) -> None:
    doc = make_nlp(keep_layers=True)(TEXT)
    copied = doc.copy()
    for source in (doc, copied):
        for obj in (source, source[1:3], source[1]):
            for array in (obj._.elmo, obj._.elmo_layers):
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
        with pytest.raises(ValueError, match="read-only"):
            source._.elmo_vectors[...] = 0


def test_setting_none_frees_everything(make_nlp: Make) -> None:
    doc = make_nlp(keep_layers=True)(TEXT)
    assert doc.user_data
    doc._.elmo_vectors = None
    assert not doc.user_data
    assert doc._.elmo is None
    assert doc._.elmo_layers is None
    with pytest.raises(ValueError, match="only be set to None"):
        doc._.elmo_vectors = np.zeros((len(doc), WIDTH))


def test_layers_alone_can_be_freed(make_nlp: Make) -> None:
    doc = make_nlp(keep_layers=True)(TEXT)
    vectors = doc._.elmo_vectors.copy()
    doc._.elmo_layers = None
    assert doc._.elmo_layers is None
    np.testing.assert_array_equal(doc._.elmo_vectors, vectors)
    (rows,) = doc.user_data.values()
    assert "layers" not in rows
    doc._.elmo_layers = None  # nothing left to free
    empty = make_nlp().make_doc(TEXT)
    empty._.elmo_layers = None
    assert not empty.user_data


@pytest.mark.parametrize("name", ["elmo", "elmo_vectors"])
def test_doc_cleaner_frees_the_vectors(nlp: Language, name: str) -> None:
    nlp.add_pipe("doc_cleaner", config={"attrs": {f"_.{name}": None}})
    doc = nlp(TEXT)
    assert doc._.elmo is None
    assert not doc.user_data


@pytest.mark.parametrize("name", ["elmo", "elmo_vectors", "elmo_layers", "elmo_similarity"])
def test_nothing_but_none_can_be_set(make_nlp: Make, name: str) -> None:
    doc = make_nlp(keep_layers=True)(TEXT)
    before = doc._.elmo_vectors.copy()
    keys = list(doc.user_data)
    array = np.zeros(WIDTH, dtype=np.float32)
    with pytest.raises(ValueError, match=r"only be set to None|is a method"):
        doc._.set(name, array)
    for obj in (doc[1:3], doc[1]):
        if not obj.has_extension(name):
            continue
        for value in (None, array):
            with pytest.raises(ValueError, match=r"doc\._\.elmo_vectors = None|is a method"):
                obj._.set(name, value)
    assert list(doc.user_data) == keys, "nothing is left behind"
    np.testing.assert_array_equal(doc._.elmo_vectors, before)


def test_a_row_that_is_kept_does_not_keep_the_others(make_nlp: Make) -> None:
    doc = make_nlp(keep_layers=True)(TEXT)
    whole, layers = doc._.elmo_vectors, doc._.elmo_layers
    for obj in (doc[1], doc[1:3]):
        for name in ("elmo", "elmo_vectors", "elmo_layers"):
            if not obj.has_extension(name):
                continue
            array = obj._.get(name)
            assert not np.shares_memory(array, whole)
            assert not np.shares_memory(array, layers)
            owner = array if array.base is None else array.base
            assert owner.nbytes == array.nbytes
    kept, vectors = doc[1]._.elmo, weakref.ref(whole.base)
    row = whole[1].copy()
    doc._.elmo_vectors = None
    del whole, layers
    assert vectors() is None, "freed, though a row is kept"
    np.testing.assert_array_equal(kept, row)


def test_attributes_without_a_component(nlp: Language, tmp_path: Path) -> None:
    binary = DocBin(store_user_data=True, docs=[nlp(TEXT)])
    binary.to_disk(tmp_path / "docs.spacy")
    script = """
import sys
import spacy
from spacy.tokens import Doc, DocBin
import spacy_elmo
(doc,) = DocBin().from_disk(sys.argv[1]).get_docs(spacy.blank("en").vocab)
assert not Doc.has_extension("elmo")
spacy_elmo.register_attributes()
spacy_elmo.register_attributes()
print(doc._.elmo_vectors.shape, doc[5]._.elmo_similarity(doc[9]))
for name in ("elmo", "elmo_vectors", "elmo_layers", "elmo_similarity"):
    Doc.remove_extension(name)
spacy_elmo.set_hooks(doc)
print(doc._.elmo.shape, doc[5].similarity(doc[9]))
"""
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "docs.spacy")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    doc = nlp(TEXT)
    shape, pooled = result.stdout.splitlines()
    expected = doc[5]._.elmo_similarity(doc[9])
    assert shape.startswith(f"({len(doc)}, {WIDTH})")
    assert pooled.startswith(f"({WIDTH},)")
    for line in (shape, pooled):
        assert float(line.split()[-1]) == pytest.approx(expected, abs=1e-5)


def test_same_word_in_other_context_is_less_than_one(nlp: Language) -> None:
    doc = nlp(TEXT)
    a, b = doc[5], doc[9]
    assert a.text == b.text == "bank"
    u, v = a._.elmo.astype(float), b._.elmo.astype(float)
    expected = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
    assert a._.elmo_similarity(b) == pytest.approx(expected, abs=1e-6)
    assert expected < 0.999
    assert isinstance(a._.elmo_similarity(b), float)
    assert a._.elmo_similarity(a) == pytest.approx(1.0)
    assert doc[5:6]._.elmo_similarity(b) == pytest.approx(expected, abs=1e-6)
    assert doc._.elmo_similarity(doc[7]) == 0.0  # white space: a zero vector


def test_similarity_is_centred_where_the_weights_carry_a_mean(make_nlp: Make, tmp_path) -> None:  # type: ignore[no-untyped-def]
    lm = tiny_lm()
    lm.measure_mean([TEXT.split()])
    assert lm.mean_layers is not None
    lm.save(tmp_path / "centred")
    model = {"weights": str(tmp_path / "centred")}
    doc = make_nlp(model=model)(TEXT)
    mean = lm.mean_layers.numpy().mean(axis=0)
    u, v = doc[5]._.elmo - mean, doc[9]._.elmo - mean
    expected = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
    assert doc[5]._.elmo_similarity(doc[9]) == pytest.approx(expected, abs=1e-5)
    assert doc[5]._.elmo_similarity(doc[7]) == 0.0
    plain = make_nlp(model=model, center_similarity=False)(TEXT)
    assert plain[5]._.elmo_similarity(plain[9]) != pytest.approx(expected, abs=1e-3)


def test_similarity_refuses_what_has_no_context(nlp: Language) -> None:
    doc = nlp(TEXT)
    with pytest.raises(TypeError, match="Lexeme has no vector in context"):
        doc[0]._.elmo_similarity(nlp.vocab["bank"])


def test_similarity_of_different_widths_is_an_error(make_nlp: Make, tmp_path) -> None:  # type: ignore[no-untyped-def]
    tiny_lm(projection_dim=5).save(tmp_path / "narrow")
    narrow = make_nlp(model={"weights": str(tmp_path / "narrow")})
    with pytest.raises(ValueError, match="width 16 and 10 cannot be compared"):
        make_nlp()("a")[0]._.elmo_similarity(narrow("a")[0])


def test_attribute_renames_everything(make_nlp: Make) -> None:
    doc = make_nlp(attribute="context", keep_layers=True)("a river bank")
    assert doc[1]._.context.shape == (WIDTH,)
    assert doc._.context_vectors.shape == (3, WIDTH)
    assert doc[0:2]._.context_layers.shape == (N_LAYERS, 2, WIDTH)
    assert doc[0]._.context_similarity(doc[1]) < 1


def test_attribute_must_be_a_name(make_nlp: Make) -> None:
    with pytest.raises(ValueError, match="expected a name of letters"):
        make_nlp(attribute="my elmo")


def test_two_pipes_with_one_name_are_an_error(make_nlp: Make) -> None:
    nlp = make_nlp()
    config = {"model": {"weights": "elsewhere"}}
    with pytest.raises(ValueError, match="'elmo' and 'second' would both write"):
        nlp.add_pipe("elmo", name="second", config=config)
    nlp.add_pipe("elmo", name="second", config={**config, "attribute": "other"})
    with pytest.raises(ValueError, match="would both write"):
        nlp.add_pipe("elmo", name="third", source=make_nlp())


def test_a_replaced_pipe_does_not_conflict_with_itself(make_nlp: Make, weights: str) -> None:
    nlp = make_nlp()
    nlp.replace_pipe("elmo", "elmo", config={"model": {"weights": str(weights)}})
    assert nlp("a")._.elmo is not None


def test_the_users_attributes_are_not_overwritten(
    make_nlp: Make, own_extensions: list[tuple[type, str]]
) -> None:
    Token.set_extension("mine", default=7)
    own_extensions.append((Token, "mine"))
    with pytest.raises(ValueError, match=r"Token._.mine is an extension attribute of somebody"):
        make_nlp(attribute="mine")
    assert not Doc.has_extension("mine"), "nothing is registered when one name is taken"
    assert spacy.blank("en")("a")[0]._.mine == 7
    Span.set_extension("theirs", getter=len)
    own_extensions.append((Span, "theirs"))
    with pytest.raises(ValueError, match="config="):
        make_nlp(attribute="theirs")


def test_hooks_make_vector_and_similarity_use_elmo(make_nlp: Make) -> None:
    doc = make_nlp(set_hooks=True)(TEXT)
    for obj in (doc, doc[1:3], doc[1]):
        np.testing.assert_array_equal(obj.vector, obj._.elmo)
        assert obj.has_vector
        assert obj.vector_norm == pytest.approx(np.linalg.norm(obj._.elmo), rel=1e-5)
    assert doc[5].similarity(doc[9]) == doc[5]._.elmo_similarity(doc[9]) < 0.999
    assert doc[5:6].similarity(doc[9:10]) < 0.999
    assert "vector_norm" not in doc.user_span_hooks


def test_hooks_cope_with_a_doc_without_data(make_nlp: Make) -> None:
    doc = make_nlp(set_hooks=True)(TEXT)
    part = doc[2:5].as_doc()
    assert not part.has_vector
    assert not part[0].vector.any()
    assert part[0].vector_norm == 0
    with pytest.raises(ValueError, match="has no ELMo vectors"):
        part.similarity(doc)
    whole = doc[2:5].as_doc(copy_user_data=True)
    np.testing.assert_array_equal(whole[0].vector, doc[2].vector)


def test_hooks_can_be_set_afterwards(nlp: Language) -> None:
    doc = nlp(TEXT)
    assert not doc[5].has_vector
    set_hooks(doc)
    np.testing.assert_array_equal(doc[5].vector, doc[5]._.elmo)
    with pytest.raises(ValueError, match="has no ELMo vectors"):
        set_hooks(nlp.make_doc("a"))


def test_tensor_is_a_copy(make_nlp: Make) -> None:
    doc = make_nlp(set_tensor=True)(TEXT)
    np.testing.assert_array_equal(doc.tensor, doc._.elmo_vectors)
    doc.tensor[0] = 0
    assert doc[0]._.elmo.any()
    assert make_nlp()(TEXT).tensor.size == 0
