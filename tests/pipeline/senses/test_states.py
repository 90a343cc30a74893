"""What is read of an occurrence: that of the attributes, without a second pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from spacy.language import Language

from spacy_elmo.pipeline.listening import shared
from spacy_elmo.pipeline.senses.states import occurrence_states
from tests.pipeline.senses.made_up import examples, found

TEXT = "The  big bank\n raised its rates. A bank . Banks"


def test_the_states_are_those_of_the_attributes(make_senses: Callable[..., Language]) -> None:
    nlp = make_senses(elmo={"keep_layers": True, "context": True})
    nlp.add_pipe("sentencizer", first=True)
    nlp.initialize(lambda: examples(nlp))
    doc = nlp(TEXT)
    model = nlp.get_pipe("elmo_senses").model  # type: ignore[attr-defined]
    (layers,), _ = model.layers_for([doc], False)
    places = [(0, 3), (2, 4), (3, 4), (len(doc) - 1, len(doc))]
    states = occurrence_states(model.ops, layers, places)
    for (start, end), (token, context) in zip(places, states, strict=True):
        span = doc[start:end]
        words = [k for k in range(start, end) if not doc[k].is_space]
        expected = doc._.elmo_layers[-1][words].mean(axis=0)
        np.testing.assert_allclose(token, expected, atol=1e-6)
        np.testing.assert_allclose(context, span._.elmo_context, atol=1e-6)


@pytest.mark.parametrize("keep", [False, True])
def test_no_second_pass(
    make_senses: Callable[..., Language], monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    nlp = make_senses(elmo={"keep_layers": keep})
    nlp.initialize(lambda: examples(nlp))

    def fails(*_: object, **__: object) -> None:
        raise AssertionError("the language model runs again")

    monkeypatch.setattr(shared, "run", fails)
    docs = list(nlp.pipe([TEXT, "No such word .", ""]))
    assert [len(doc.spans["senses"]) for doc in docs] == [2, 0, 0]
    assert len(nlp.get_pipe("elmo").shared.handover) == 0  # type: ignore[attr-defined]


def test_a_batch_is_nothing(senses: Language) -> None:
    texts = ["The bank of the river .", "A bank lends . Bank !", "", "Banks"] * 3
    alone = [found(senses, text) for text in texts]
    together = [
        [(span.text, span.start, span.label_) for span in doc.spans["senses"]]
        for doc in senses.pipe(texts, batch_size=5)
    ]
    assert together == alone
