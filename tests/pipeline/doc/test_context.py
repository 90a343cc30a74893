"""The context on a Doc: its values, and that it stays with its words like the vectors."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_elmo import similarity_matrix, trim
from spacy_elmo.bilm.inference.encoder import Encoder
from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.doc.context import contexts
from tests.pipeline.scored import TEXT, lm_of, scored_nlp, scored_weights
from tests.tiny import WIDTH

Make = Callable[..., Language]
HALF = WIDTH // 2


@pytest.fixture(scope="module")
def nlp(tmp_path_factory: pytest.TempPathFactory) -> Language:
    return scored_nlp(scored_weights(tmp_path_factory.mktemp("scored") / "weights"))


@pytest.fixture
def doc(nlp: Language) -> Doc:
    return nlp(TEXT)


def test_it_is_what_the_language_model_gives(nlp: Language, doc: Doc) -> None:
    sentences = [[token for token in sentence if not token.is_space] for sentence in doc.sents]
    assert [len(sentence) for sentence in sentences] == [7, 6]
    for sentence, array in zip(sentences, lm_of(nlp).context(sentences), strict=True):
        for token, row in zip(sentence, array, strict=True):
            np.testing.assert_array_equal(token._.elmo_context, row)
            assert not token._.elmo_context.flags.writeable
    space = next(token for token in doc if token.is_space)
    assert not space._.elmo_context.any()
    found = contexts(doc, "elmo")
    assert found is not None
    np.testing.assert_array_equal(found, [token._.elmo_context for token in doc])


def test_around_a_span_are_the_states_at_its_own_ends(doc: Doc) -> None:
    def around(first: int, last: int) -> np.ndarray:
        before, after = doc[first]._.elmo_context, doc[last]._.elmo_context
        return np.concatenate([before[:HALF], after[HALF:]])

    for start, end, first, last in ((3, 6, 3, 5), (4, 10, 4, 9), (0, len(doc), 0, len(doc) - 1)):
        np.testing.assert_array_equal(doc[start:end]._.elmo_context, around(first, last))
    assert doc[7].is_space
    np.testing.assert_array_equal(doc[5:8]._.elmo_context, around(5, 6))
    assert not doc[7:8]._.elmo_context.any()
    assert not doc[3:3]._.elmo_context.any()


def test_no_second_pass_and_the_same_vectors(
    make_nlp: Make, nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = nlp.get_pipe_config("elmo")["model"]["weights"]
    plain = scored_nlp(weights, context=False, score=False)
    passes = []
    encode = Encoder.encode

    def counted(self: Encoder, network: object, sentences: list[str], **kw: object) -> object:
        passes.append(len(sentences))
        return encode(self, network, sentences, **kw)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "encode", counted)
    found = nlp(TEXT)
    assert passes == [2]
    np.testing.assert_array_equal(found._.elmo_vectors, plain(TEXT)._.elmo_vectors)
    layered = scored_nlp(weights, keep_layers=True)
    passes.clear()
    other = layered(TEXT)
    assert passes == [2]
    for one, two in zip(found, other, strict=True):
        np.testing.assert_allclose(one._.elmo_context, two._.elmo_context, atol=1e-6)


def test_a_merged_token_has_what_stands_around_all_of_it(doc: Doc) -> None:
    before = np.array(contexts(doc, "elmo"))
    wanted = np.array(doc[3:6]._.elmo_context)
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:6])
    np.testing.assert_array_equal(doc[3]._.elmo_context, wanted)
    np.testing.assert_array_equal(doc[4]._.elmo_context, before[6])
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[1], ["s", "at"], heads=[doc[0], doc[0]])
    np.testing.assert_array_equal(doc[1]._.elmo_context, before[1])
    np.testing.assert_array_equal(doc[2]._.elmo_context, before[1])


@pytest.mark.parametrize("way", ["as_doc", "from_docs", "bytes", "docbin", "pickle", "trim"])
def test_kept_and_moved_along_like_the_vectors(nlp: Language, doc: Doc, way: str) -> None:
    sources = list(doc)
    if way in ("as_doc", "trim"):
        other = doc[2:10].as_doc(copy_user_data=True)
        sources = list(doc[2:10])
        other = trim(other) if way == "trim" else other
    elif way == "from_docs":
        second = nlp("The river sat.")
        other = Doc.from_docs([doc, second])
        sources += list(second)
    elif way == "bytes":
        other = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    elif way == "docbin":
        data = DocBin(docs=[doc], store_user_data=True).to_bytes()
        (other,) = DocBin().from_bytes(data).get_docs(nlp.vocab)
    else:
        other = pickle.loads(pickle.dumps(doc))
    for token, source in zip(other, sources, strict=True):
        np.testing.assert_array_equal(token._.elmo_context, source._.elmo_context)
        assert token._.elmo_surprisal == source._.elmo_surprisal
        assert token._.elmo_surprisal_backward == source._.elmo_surprisal_backward


def test_freed_with_the_vectors(doc: Doc) -> None:
    doc._.elmo_vectors = None
    assert doc[0]._.elmo_context is None
    assert not doc.user_data
    with pytest.raises(ValueError, match="cannot be set"):
        doc[0]._.elmo_context = None


def test_other_processes(nlp: Language) -> None:
    texts = [TEXT, "The river.", ""] * 3
    for one, other in zip(nlp.pipe(texts), nlp.pipe(texts, n_process=2, batch_size=4), strict=True):
        assert one.text == other.text
        if one.text:
            assert one._.elmo_perplexity == pytest.approx(other._.elmo_perplexity, rel=1e-5)
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a._.elmo_context, b._.elmo_context, atol=1e-6)


def test_similarity_of_contexts(nlp: Language, doc: Doc) -> None:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    a, b = doc[5], doc[9]
    pair = a._.elmo_context, b._.elmo_context
    assert a._.elmo_similarity(b, view="context") == pytest.approx(cosine(*pair), rel=1e-5)
    assert a._.elmo_similarity(b, view="token") == a._.elmo_similarity(b)
    span = doc[8:10]
    wanted = cosine(a._.elmo_context, span._.elmo_context)
    assert a._.elmo_similarity(span, view="context") == pytest.approx(wanted, rel=1e-5)
    matrix = similarity_matrix([a, b], [span], view="context")
    assert matrix[0, 0] == pytest.approx(wanted, rel=1e-5)
    with pytest.raises(TypeError, match="nothing stands around a Doc"):
        a._.elmo_similarity(doc, view="context")
    with pytest.raises(ValueError, match="view is 'words': expected one of 'token', 'context'"):
        a._.elmo_similarity(b, view="words")


def test_contexts_are_centred_by_the_mean_of_the_top_layer(tmp_path: Path) -> None:
    nlp = scored_nlp(scored_weights(tmp_path / "weights"))
    lm = lm_of(nlp)
    lm.measure_mean([["They", "sat"], ["The", "bank", "raised"]])
    assert lm.mean_layers is not None
    mean = lm.mean_layers[-1].numpy().astype(np.float64)
    doc = nlp(TEXT)
    a, b = (doc[k]._.elmo_context.astype(np.float64) - mean for k in (5, 9))
    wanted = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    found = doc[5]._.elmo_similarity(doc[9], view="context")
    assert found == pytest.approx(wanted, rel=1e-5)
    part = doc[3:11].as_doc(copy_user_data=True)
    assert part[2]._.elmo_similarity(part[6], view="context") == pytest.approx(wanted, rel=1e-5)


def test_off_by_default_and_a_warning_says_so(
    make_nlp: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy_elmo.pipeline.doc.attributes._warned", set())
    doc = make_nlp()(TEXT)
    with pytest.warns(UserWarning, match="Set context = true"):
        assert doc[0]._.elmo_context is None
    assert doc[0:2]._.elmo_context is None
    with pytest.raises(ValueError, match="context of They was not kept: set context = true"):
        doc[0]._.elmo_similarity(doc[1], view="context")
    fresh = make_nlp().make_doc("a b")
    assert fresh[0]._.elmo_context is None
    with pytest.raises(ValueError, match="has no ELMo vectors"):
        fresh[0]._.elmo_similarity(fresh[1], view="context")


def test_a_forward_only_model_has_what_stands_before(tmp_path: Path) -> None:
    nlp = scored_nlp(scored_weights(tmp_path / "weights", bidirectional=False))
    doc = nlp(TEXT)
    sentence = [token.text for token in doc[:7]]
    (wanted,) = lm_of(nlp).context([sentence])
    assert wanted.shape == (7, HALF)
    found = np.array([token._.elmo_context for token in doc[:7]])
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_array_equal(doc[2:5]._.elmo_context, found[2])
    other = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    np.testing.assert_array_equal(other[3]._.elmo_context, found[3])
    assert doc[3]._.elmo_surprisal > 0
    assert doc[3]._.elmo_surprisal_backward is None


@pytest.mark.parametrize(
    ("item", "change"),
    [
        ("context", lambda array: array[:1]),
        ("context", lambda array: array[:, 1:]),
        ("context", lambda array: array[0]),
        ("context", lambda array: array.astype("i4")),
        ("context_mean", lambda array: array[:3]),
        ("scores", lambda array: array[..., :1]),
        ("scores", lambda array: array.tolist()),
    ],
)
def test_damaged_user_data(
    nlp: Language, doc: Doc, item: str, change: Callable[[np.ndarray], object]
) -> None:
    (key,) = doc.user_data
    rows = dict(doc.user_data[key])
    rows.setdefault("context_mean", np.zeros(WIDTH, dtype=np.float32))
    other = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    other.user_data = {key: {**rows, item: change(rows[item])}}
    with pytest.raises(ElmoError, match=f"its {item} (is|are) "):
        _ = other[0]._.elmo_context
