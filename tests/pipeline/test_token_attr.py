"""`token_attr`: what is read of a token, wherever the language model runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config
from thinc.api import Adam

from spacy_elmo import BiLM
from spacy_elmo.pipeline.doc import fed
from spacy_elmo.pipeline.listening.listener import ElmoListener
from tests.pipeline.listening.examples import tagger_config
from tests.tiny import tiny_lm

Make = Callable[..., Language]
WORDS = ["The", "Banks", " ", "raised", "Rates", "They", "'re", "Here"]
LEMMAS = ["the", "bank", " ", "raise", "rate", "they", "be", "here"]
STARTS = [True, False, False, False, False, True, False, False]
FED = {
    "TEXT": [["The", "Banks", "raised", "Rates"], ["They", "'re", "Here"]],
    "LEMMA": [["the", "bank", "raise", "rate"], ["they", "be", "here"]],
    "LOWER": [["the", "banks", "raised", "rates"], ["they", "'re", "here"]],
    "NORM": [["the", "banks", "raised", "rates"], ["they", "are", "here"]],
}
ATTRS = sorted(FED)
TAGS = ["D", "N", "", "V", "N", "R", "V", "A"]


@pytest.fixture(autouse=True)
def nobody_was_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fed, "_warned", set())


def make_doc(nlp: Language, lemmas: Sequence[str] = LEMMAS) -> Doc:
    doc = Doc(nlp.vocab, words=WORDS, lemmas=list(lemmas), sent_starts=STARTS)
    doc[6].norm_ = "are"
    return doc


def layers_of(attr: str, lm: BiLM | None = None) -> np.ndarray:
    """Layers of the Doc's tokens as the language model alone gives them, white space zero.

    *Shape:* (n_layers, n_tokens, width).
    """
    rows = np.concatenate((lm or tiny_lm()).encode(FED[attr]), axis=1)
    return np.insert(rows, 2, 0.0, axis=1)


def close(mine: Any, theirs: np.ndarray) -> None:
    assert_allclose(np.asarray(mine), theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("attr", ATTRS)
@pytest.mark.parametrize("keep_layers", [False, True])
def test_prediction(make_nlp: Make, attr: str, keep_layers: bool) -> None:
    nlp = make_nlp(token_attr=attr, keep_layers=keep_layers)
    expected = layers_of(attr)
    for doc in (nlp(make_doc(nlp)), *nlp.pipe([make_doc(nlp), make_doc(nlp)])):
        close(doc._.elmo_vectors, expected.mean(axis=0))
        if keep_layers:
            close(doc._.elmo_layers, expected)


def test_the_attributes_differ() -> None:
    every = [layers_of(attr) for attr in ATTRS]
    for k, first in enumerate(every):
        assert all(np.abs(first - other).max() > 1e-2 for other in every[:k])


def listening(make_nlp: Make, attr: str, **settings: Any) -> Language:
    nlp = make_nlp(token_attr=attr, **settings)
    nlp.add_pipe("tagger", config=tagger_config())
    nlp.initialize(lambda: [example(nlp)])
    return nlp


def example(nlp: Language) -> Example:
    return Example(make_doc(nlp), Doc(nlp.vocab, words=WORDS, tags=TAGS))


def listener_of(nlp: Language) -> ElmoListener:
    model = nlp.get_pipe("tagger").model  # type: ignore[attr-defined]
    return next(node for node in model.walk() if isinstance(node, ElmoListener))


@pytest.mark.parametrize("attr", ATTRS)
@pytest.mark.parametrize(
    "settings", [{"frozen": True}, {"frozen": True, "cache": "memory"}, {"frozen": False}]
)
def test_training(make_nlp: Make, attr: str, settings: dict[str, Any]) -> None:
    nlp = listening(make_nlp, attr, **settings)
    examples = [example(nlp)]
    elmo: Any = nlp.get_pipe("elmo")
    elmo.update(examples)
    listener = listener_of(nlp)
    for doc in (examples[0].predicted, examples[0].predicted.copy()):
        given, _ = listener.layers_for([doc], True)
        close(given[0].values, layers_of(attr))
    # With gradients to the network where it is not frozen, and its new weights read the same words.
    optimizer = Adam(0.01)
    for _ in range(2):  # the first gradient of a layer of zeros is none
        assert nlp.update(examples, sgd=optimizer)["tagger"] > 0
    lm = elmo.model.shims[0].lm
    moved = any(
        not np.array_equal(new.detach().numpy(), old.detach().numpy())
        for new, old in zip(lm.parameters(), tiny_lm().parameters(), strict=True)
    )
    assert moved is not settings["frozen"]
    close(nlp(make_doc(nlp))._.elmo_vectors, layers_of(attr, lm).mean(axis=0))


@pytest.mark.parametrize("attr", ATTRS)
def test_listeners_in_prediction(make_nlp: Make, attr: str) -> None:
    nlp = listening(make_nlp, attr)
    doc = make_doc(nlp)
    elmo: Any = nlp.get_pipe("elmo")
    expected = layers_of(attr).mean(axis=0)  # the mix of a new listener is the plain average
    close(listener_of(nlp).predict([doc])[0], expected)  # computed now
    elmo(doc)
    close(listener_of(nlp).predict([doc])[0], expected)  # handed over


@pytest.mark.parametrize("attr", ["LEMMA", "TEXT"])
def test_a_language_model_of_its_own(make_nlp: Make, tmp_path: Path, attr: str) -> None:
    nlp = listening(make_nlp, attr)
    nlp.replace_listeners("elmo", "tagger", ["model.tok2vec"])
    nlp.to_disk(tmp_path / "saved")
    for each in (nlp, spacy.load(tmp_path / "saved")):
        listener = listener_of(each)
        assert listener.layers
        close(listener.predict([make_doc(each)])[0], layers_of(attr).mean(axis=0))


def test_saved_pipelines(make_nlp: Make, tmp_path: Path) -> None:
    nlp = make_nlp(token_attr="LEMMA")
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    close(loaded(make_doc(loaded))._.elmo_vectors, layers_of("LEMMA").mean(axis=0))
    change = {"components.elmo.token_attr": "LOWER"}
    loaded = spacy.load(tmp_path, config=change)
    close(loaded(make_doc(loaded))._.elmo_vectors, layers_of("LOWER").mean(axis=0))


def test_a_config_of_an_earlier_version(make_nlp: Make, tmp_path: Path) -> None:
    make_nlp().to_disk(tmp_path)
    config = load_config(tmp_path / "config.cfg")
    assert config["components"]["elmo"].pop("token_attr") == "TEXT"
    config.to_disk(tmp_path / "config.cfg")
    loaded = spacy.load(tmp_path)
    close(loaded(make_doc(loaded))._.elmo_vectors, layers_of("TEXT").mean(axis=0))


# Lemmas that are missing


def test_no_lemmas_at_all(make_nlp: Make) -> None:
    nlp = make_nlp(token_attr="LEMMA")
    with pytest.raises(ValueError, match=r"'The bank' has no lemmas: put a lemmatizer before"):
        nlp("The bank")
    nlp.set_error_handler(lambda name, proc, docs, error: failed.extend(docs))
    failed: list[Doc] = []
    good = list(nlp.pipe(["The bank", "", " \n "]))
    assert [doc.text for doc in good] == ["", " \n "], "without words there is nothing to miss"
    assert [doc.text for doc in failed] == ["The bank"]
    trained = listening(make_nlp, "LEMMA")
    bare = Example.from_dict(trained.make_doc("The bank"), {"tags": ["D", "N"]})
    with pytest.raises(ValueError, match=r"training\.annotating_components"):
        trained.update([bare])


def test_some_lemmas_are_missing(make_nlp: Make) -> None:
    nlp = make_nlp(token_attr="LEMMA")
    lemmas = ["", "bank", " ", "raise", "rate", "they", "", "here"]
    with pytest.warns(UserWarning, match=r"2 words of a Doc have no lemma \(The, 're\)"):
        doc = nlp(make_doc(nlp, lemmas))
    fed = [["The", "bank", "raise", "rate"], ["they", "'re", "here"]]
    expected = np.concatenate([each.mean(axis=0) for each in tiny_lm().encode(fed)])
    close(np.delete(doc._.elmo_vectors, 2, axis=0), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp(make_doc(nlp, lemmas))
        # White space needs no lemma.
        nlp(make_doc(nlp, [lemma.strip() for lemma in LEMMAS]))


# Weights that were trained on other words, or another language


@pytest.fixture
def lemma_weights(tmp_path: Path) -> Path:
    lm = tiny_lm()
    lm.config = replace(lm.config, lang="nb", tokenisation="lemmas")
    lm.save(tmp_path / "lemmas")
    return tmp_path / "lemmas"


def messages(work: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    return [str(each.message) for each in caught if each.category is UserWarning]


@pytest.mark.parametrize(
    ("lang", "attr", "expected"),
    [
        ("nb", "LEMMA", []),
        ("xx", "LEMMA", []),
        ("nb", "TEXT", ["were trained on lemmas, but are fed the TEXT of each token"]),
        ("sv", "LEMMA", ["were trained on text in 'nb', but the pipeline is for 'sv'"]),
        ("sv", "LOWER", ["text in 'nb'", "fed the LOWER of each token"]),
    ],
)
def test_weights_for_other_text(
    lemma_weights: Path, lang: str, attr: str, expected: list[str]
) -> None:
    nlp = spacy.blank(lang)
    settings = {"model": {"weights": str(lemma_weights)}, "token_attr": attr}
    nlp.add_pipe("elmo", config=settings)
    found = messages(lambda: nlp(make_doc(nlp)))
    assert len(found) == len(expected)
    assert all(part in message for part, message in zip(expected, found, strict=True))
    assert messages(lambda: (nlp(make_doc(nlp)), nlp.initialize())) == [], "once"
