"""Surprisal, perplexity and substitutes of Docs: those of the language model itself."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.pretraining.perplexity.exact import sentence_perplexity
from tests.pipeline.scored import TEXT, lm_of, scored_nlp, scored_weights
from tests.tiny import tiny_lm


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scored_weights(tmp_path_factory.mktemp("scored") / "weights")


@pytest.fixture(scope="module")
def nlp(weights: Path) -> Language:
    return scored_nlp(weights)


@pytest.fixture
def doc(nlp: Language) -> Doc:
    return nlp(TEXT)


def sentences(doc: Doc) -> list[list[str]]:
    return [[token.text for token in each if not token.is_space] for each in doc.sents]


def test_surprisal_in_bits(nlp: Language, doc: Doc) -> None:
    scores = lm_of(nlp).score(sentences(doc))
    forward = np.concatenate([score.forward[:-1] for score in scores]) / -np.log(2)
    backward = np.concatenate([score.backward[1:] for score in scores]) / -np.log(2)
    words = [token for token in doc if not token.is_space]
    assert [token._.elmo_surprisal for token in words] == pytest.approx(forward, rel=1e-5)
    assert [token._.elmo_surprisal_backward for token in words] == pytest.approx(backward, rel=1e-5)
    (space,) = (token for token in doc if token.is_space)
    assert space._.elmo_surprisal == space._.elmo_surprisal_backward == 0.0


def test_perplexity_is_what_evaluate_reports(nlp: Language, doc: Doc) -> None:
    reported = sentence_perplexity(lm_of(nlp), sentences(doc)).average
    assert doc._.elmo_perplexity == pytest.approx(reported, rel=1e-6)


def test_perplexity_of_docs_that_are_cut_and_joined(nlp: Language, doc: Doc) -> None:
    lm = lm_of(nlp)
    other = nlp("The river sat on the bank.")
    joined = Doc.from_docs([doc, other])
    wanted = sentence_perplexity(lm, [*sentences(doc), *sentences(other)]).average
    assert joined._.elmo_perplexity == pytest.approx(wanted, rel=1e-6)
    second = list(doc.sents)[1].as_doc(copy_user_data=True)
    wanted = sentence_perplexity(lm, [sentences(doc)[1]]).average
    assert second._.elmo_perplexity == pytest.approx(wanted, rel=1e-6)
    # Cut in the middle: the words and the ends that are left.
    bits = [token._.elmo_surprisal for token in doc[:4]]
    back = [token._.elmo_surprisal_backward for token in doc[:4]]
    score = lm.score([sentences(doc)[0]])[0]
    assert score.backward is not None
    back.append(-score.backward[0] / np.log(2))
    part = doc[:4].as_doc(copy_user_data=True)
    mean = (np.mean(bits) + np.mean(back)) / 2
    assert part._.elmo_perplexity == pytest.approx(2**mean, rel=1e-5)


def test_a_merged_token_has_the_sum_of_its_words(doc: Doc) -> None:
    before = doc._.elmo_perplexity
    bits = sum(token._.elmo_surprisal for token in doc[3:6])
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[3:6])
    assert doc[3]._.elmo_surprisal == pytest.approx(bits, rel=1e-6)
    assert doc._.elmo_perplexity == before


def test_the_batch_changes_nothing(nlp: Language) -> None:
    texts = [TEXT, "", "  ", "The bank.", "river " * 40]
    for text, together in zip(texts, nlp.pipe(texts), strict=True):
        alone = nlp(text)
        if not sentences(alone) or not any(sentences(alone)):
            assert alone._.elmo_perplexity is together._.elmo_perplexity is None
        else:
            assert alone._.elmo_perplexity == pytest.approx(together._.elmo_perplexity, rel=1e-5)


def test_off_by_default_and_freed(weights: Path, doc: Doc) -> None:
    plain = scored_nlp(weights, context=False, score=False)(TEXT)
    assert plain._.elmo_perplexity is None
    assert plain[0]._.elmo_surprisal is None
    doc._.elmo_perplexity = None
    assert doc._.elmo_perplexity is doc[0]._.elmo_surprisal is None
    assert doc[0]._.elmo_context is not None, "the rest stays"
    with pytest.raises(ValueError, match="can only be set to None"):
        doc._.elmo_perplexity = 3.0


def test_score_alone_keeps_no_context(weights: Path) -> None:
    doc = scored_nlp(weights, context=False)(TEXT)
    assert doc[0]._.elmo_surprisal > 0
    (rows,) = doc.user_data.values()
    assert "context" not in rows


def test_without_a_softmax(tmp_path: Path) -> None:
    tiny_lm().save(tmp_path / "weights")
    nlp = scored_nlp(tmp_path / "weights")
    with pytest.raises(ValueError, match=r"no softmax .* softmax\.safetensors"):
        nlp(TEXT)
    with pytest.raises(ValueError, match="no softmax"):
        nlp.initialize()
    other = scored_nlp(tmp_path / "weights", score=False)
    doc = other(TEXT)
    assert doc[0]._.elmo_context is not None
    with pytest.raises(ValueError, match="no softmax"):
        doc[0]._.elmo_substitutes(3)


def test_a_saved_pipeline_keeps_the_softmax_it_needs(
    nlp: Language, weights: Path, doc: Doc, tmp_path: Path
) -> None:
    nlp.to_disk(tmp_path / "saved")
    loaded = spacy.load(tmp_path / "saved")
    assert loaded(TEXT)._.elmo_perplexity == pytest.approx(doc._.elmo_perplexity, rel=1e-6)
    scored_nlp(weights, score=False).to_disk(tmp_path / "bare")
    with pytest.raises(ValueError, match="save_softmax of the component"):
        spacy.load(tmp_path / "bare", config={"components": {"elmo": {"score": True}}})


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
def test_substitutes_are_those_of_the_language_model(
    nlp: Language, doc: Doc, direction: str
) -> None:
    lm = lm_of(nlp)
    first, second = sentences(doc)
    for token, sentence, place in ((doc[5], first, 5), (doc[9], second, 1)):
        for itself in (True, False):
            found = token._.elmo_substitutes(4, direction, itself=itself)
            wanted = lm.substitutes(sentence, place, 4, direction, itself=itself)
            assert [word for word, _ in found] == [word for word, _ in wanted]
            logs = [log for _, log in wanted]
            assert [log for _, log in found] == pytest.approx(logs, rel=1e-5)
    many = nlp.get_pipe("elmo").substitutes([doc[5], doc[9]], 2)  # type: ignore[attr-defined]
    for token, found in zip((doc[5], doc[9]), many, strict=True):
        assert [word for word, _ in found] == [w for w, _ in token._.elmo_substitutes(2)]


def test_a_copied_pipeline_is_asked_for_its_own_docs(weights: Path, nlp: Language) -> None:
    copied = copy.deepcopy(scored_nlp(weights))
    doc = copied("The bank.")
    assert doc.vocab is not nlp.vocab
    found = doc[1]._.elmo_substitutes(3)
    wanted = lm_of(nlp).substitutes(["The", "bank", "."], 1, 3)
    assert [word for word, _ in found] == [word for word, _ in wanted]


def test_substitutes_that_cannot_be_had(weights: Path, doc: Doc) -> None:
    with pytest.raises(ValueError, match="token 7 is white space"):
        doc[7]._.elmo_substitutes(2)
    with pytest.raises(ValueError, match="n is 0"):
        doc[0]._.elmo_substitutes(0)
    with pytest.raises(ValueError, match=r"is a method"):
        doc[0]._.elmo_substitutes = None
    bare = scored_nlp(weights, context=False)(TEXT)
    with pytest.raises(ValueError, match="set context = true"):
        bare[0]._.elmo_substitutes(2)
    elsewhere = Doc(spacy.blank("en").vocab).from_bytes(doc.to_bytes())
    with pytest.raises(ValueError, match="vocabulary of this Doc"):
        elsewhere[0]._.elmo_substitutes(2)


def test_two_pipelines_with_one_vocabulary(weights: Path, tmp_path: Path) -> None:
    """A Doc asks the component that has read it, and nobody where that is not known."""
    other = scored_weights(tmp_path / "other", seed=1)
    first = scored_nlp(weights)
    second = spacy.blank("en", vocab=first.vocab)
    config = {"model": {"weights": str(other)}, "context": True}
    second.add_pipe("elmo", config=config)
    for nlp in (first, second):
        doc = nlp(TEXT)
        wanted = nlp.get_pipe("elmo").substitutes([doc[5]], 4)[0]  # type: ignore[attr-defined]
        assert doc[5]._.elmo_substitutes(4) == wanted
        read = Doc(nlp.vocab).from_bytes(doc.to_bytes())
        with pytest.raises(ValueError, match="2 components with the attribute"):
            read[5]._.elmo_substitutes(4)
