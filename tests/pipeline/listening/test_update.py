"""One training batch: its states, and calls that come in the wrong order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps

from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.listening.gradients import LayerGradients
from spacy_elmo.pipeline.listening.update import State, Update

VOCAB = spacy.blank("en").vocab
DOCS = [Doc(VOCAB, words=["a", "bank"]), Doc(VOCAB, words=["rates"])]
GRADIENTS = [(k, np.full((3, len(doc), 4), k + 1, dtype=np.float32)) for k, doc in enumerate(DOCS)]


class Optimized(Model[Any, Any]):
    """A model that notes the optimizer's steps."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__("nothing", lambda *arguments: None)  # type: ignore[arg-type]
        self.calls = calls

    def finish_update(self, optimizer: Any) -> None:
        self.calls.append(f"step {optimizer}")


class Recorded:
    """An update whose backprop and optimizer steps are noted in order."""

    def __init__(self, n_listeners: int = 2, *, frozen: bool = False) -> None:
        self.calls: list[str] = []
        self.sent: list[Any] = []
        model = Optimized(self.calls)
        layers = [
            DocLayers(np.zeros((3, len(doc), 4), dtype=np.float32), np.zeros(len(doc), dtype=int))
            for doc in DOCS
        ]
        self.losses = {"elmo": 0.0}
        backprop = None if frozen else self.backprop
        self.update = Update("elmo", model, DOCS, layers, backprop, n_listeners, self.losses)

    def backprop(self, gradients: Sequence[Any], edges: Any = None) -> None:
        self.calls.append("backprop")
        self.sent = list(gradients)


def optimizer(name: str) -> Any:
    return name


def test_gradients_go_back_when_all_have_answered() -> None:
    recorded = Recorded()
    update = recorded.update
    assert update.state is State.OPEN
    update.receive(GRADIENTS, "tagger")
    assert update.state is State.ANSWERED
    assert recorded.calls == []
    update.receive(GRADIENTS[1:], "ner")
    assert update.state is State.SENT
    assert recorded.calls == ["backprop"]
    np.testing.assert_array_equal(recorded.sent[0], GRADIENTS[0][1])
    np.testing.assert_array_equal(recorded.sent[1], 2 * GRADIENTS[1][1])
    assert recorded.losses["elmo"] == 24 + 2 * 48
    update.finish_update(optimizer("adam"))
    assert update.state is State.DONE
    assert recorded.calls == ["backprop", "step adam"]


def test_a_step_asked_for_at_once_waits_for_the_gradients() -> None:
    recorded = Recorded(n_listeners=1)
    recorded.update.finish_update(optimizer("adam"))
    assert recorded.update.state is State.OPEN
    assert recorded.calls == []
    recorded.update.receive(GRADIENTS, "tagger")
    assert recorded.calls == ["backprop", "step adam"]
    assert recorded.update.state is State.DONE


def test_finished_before_all_have_answered() -> None:
    recorded = Recorded()
    recorded.update.receive(GRADIENTS[:1], "tagger")
    recorded.update.close()
    recorded.update.close()
    assert recorded.calls == ["backprop"]
    np.testing.assert_array_equal(recorded.sent[1], 0 * GRADIENTS[1][1])


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (["receive"], "the update is sent: the gradients have gone back"),
        (["receive", "finish_update"], "the update is done: the weights have been updated"),
        (["close"], "the update is done: .* or another batch has begun"),
    ],
)
def test_gradients_that_come_too_late_are_an_error(before: list[str], message: str) -> None:
    recorded = Recorded(n_listeners=1)
    arguments: dict[str, tuple[Any, ...]] = {
        "receive": (GRADIENTS, "tagger"),
        "finish_update": (optimizer("adam"),),
        "close": (),
    }
    for call in before:
        getattr(recorded.update, call)(*arguments[call])
    losses = dict(recorded.losses)
    with pytest.raises(ValueError, match=rf"pipe 'ner' sends gradients .*'elmo', but {message}"):
        recorded.update.receive(GRADIENTS, "ner")
    assert recorded.losses == losses


def test_a_frozen_model_asks_for_none() -> None:
    recorded = Recorded(frozen=True)
    update = recorded.update
    assert not update.waits
    update.finish_update(optimizer("adam"))
    assert update.is_open, "its layers are still right"
    assert update.layers_of(DOCS[0]) is not None
    with pytest.raises(ValueError, match="sends gradients"):
        update.receive(GRADIENTS, "tagger")
    update.close()
    assert not update.is_open
    assert update.layers_of(DOCS[0]) is None


def test_docs_of_the_batch() -> None:
    update = Recorded().update
    assert update.places([DOCS[1]], "tagger") == [1]
    assert update.places([doc.copy() for doc in DOCS], "tagger") == [0, 1]
    other = Doc(VOCAB, words=["other"])
    assert update.places([other], "tagger") is None
    with pytest.raises(ValueError, match="the listener of pipe 'tagger' was given other Docs"):
        update.places([DOCS[0], other], "tagger")


def test_nothing_added_is_nothing_sent() -> None:
    gradients = LayerGradients(NumpyOps(), [(3, 2, 4)])
    assert gradients.take() is None
    assert gradients.add([]) == 0.0
    assert gradients.take() is None
