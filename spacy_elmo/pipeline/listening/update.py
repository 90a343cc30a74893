"""One training batch, from the language model's forward to its backprop."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from spacy.tokens import Doc
from thinc.api import Optimizer

from spacy_elmo.pipeline.doc.fed import fed_words
from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.listening.gradients import LayerGradients
from spacy_elmo.pipeline.model.bilm import BiLMModel
from spacy_elmo.pipeline.model.outputs import Backprop
from spacy_elmo.types import Array


class State(Enum):
    """Where an update stands. The values are for messages.

    An update of a frozen language model, which asks for no gradients, is open until it is done.
    """

    OPEN = "open: the listeners have the layers, and none has sent gradients"
    ANSWERED = "answered: some listeners have sent gradients"
    SENT = "sent: the gradients have gone back through the language model"
    DONE = "done: the weights have been updated, or another batch has begun"


class Update:
    """A batch that the listeners train on, and the gradients they send back for it.

    spaCy calls `update` in the order of the pipeline, so the layers go to the listeners first, and
    their gradients come back while their own pipes are updated. Nobody says beforehand which of
    them will answer: a pipe may be frozen or left out. So the sum goes back through the language
    model when all have answered, or when the update is finished. The optimizer's step is asked for
    at the end, as `spacy train` does, or right after the forward, as `nlp.update` with an optimizer
    does: then it waits until the gradients have come, for they belong to the weights they were
    computed with.

    Args:
        name: The component's, for the losses and for messages.
        model: The language model.
        docs: The Docs of the batch.
        layers: Their layers.
        backprop: What to call with the gradients of the layers; None for a frozen model.
        n_listeners: How many may answer.
        losses: Where the sum of the gradients' squares is added up.
        token_attr: What the language model reads of a token.

    Attributes:
        state: Where it stands.
        step: The optimizer whose step was asked for, until it is taken.
    """

    def __init__(
        self,
        name: str,
        model: BiLMModel,
        docs: Sequence[Doc],
        layers: Sequence[DocLayers],
        backprop: Backprop | None,
        n_listeners: int,
        losses: dict[str, float],
        token_attr: str = "TEXT",
    ) -> None:
        self.name = name
        self.model = model
        self.docs = list(docs)
        self.layers = list(layers)
        self.backprop = backprop
        self.n_listeners = n_listeners
        self.losses = losses
        self.token_attr = token_attr
        self.state = State.OPEN
        self.step: Optimizer | None = None
        self._n_answers = 0
        self._gradients = LayerGradients(model.ops, [each.values.shape for each in layers])
        # By identity. The Docs stay alive, so no other one gets the id of one of them.
        self._places = {id(doc): k for k, doc in enumerate(self.docs)}

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        # Neither copied nor pickled: another component, or process, takes no part in an update.
        return type(None), ()

    @property
    def is_open(self) -> bool:
        """Whether listeners may train on the batch."""
        return self.state in (State.OPEN, State.ANSWERED)

    @property
    def waits(self) -> bool:
        """Whether gradients will come, and none has yet."""
        return self.backprop is not None and self.state is State.OPEN

    def places(self, docs: Sequence[Doc], pipe_name: str) -> list[int] | None:
        """The numbers in the batch of the Docs a pipe trains on; None if it is another batch.

        Raises:
            ValueError: When only some of the Docs are of this batch, or their tokens have changed.
        """
        known = [self._places.get(id(doc)) for doc in docs]
        if all(k is None for k in known):
            if not self._same_words(docs):
                return None
            known = list(range(len(docs)))  # copies, such as `entity_linker` makes
        places = [k for k in known if k is not None]
        if len(places) < len(docs) or any(
            self.layers[k].values.shape[1] != len(doc) for k, doc in zip(places, docs, strict=True)
        ):
            raise ValueError(
                f"the listener of pipe {pipe_name!r} was given other Docs than its `elmo` "
                "component in this update: both must train on the same Docs, and no pipe "
                "between them may change their tokens"
            )
        return places

    def _same_words(self, docs: Sequence[Doc]) -> bool:
        """Whether the language model reads the same in other Docs, word by word."""
        attr = self.token_attr
        return len(docs) == len(self.docs) and all(
            fed_words(doc, attr) == fed_words(other, attr)
            for doc, other in zip(docs, self.docs, strict=True)
        )

    def layers_of(self, doc: Doc) -> DocLayers | None:
        """The layers of a Doc of the batch, while they are those of the present weights."""
        place = self._places.get(id(doc))
        if place is None or self.state is State.DONE:
            return None
        layers = self.layers[place]
        return layers if layers.values.shape[1] == len(doc) else None

    def receive(
        self,
        gradients: Sequence[tuple[int, Array]],
        pipe_name: str,
        edges: Array | None = None,
    ) -> None:
        """Take one listener's gradients, and when all have come, send them back.

        Args:
            gradients: The number of the Doc in the batch and the gradient of its layers.
            pipe_name: Whose they are.
            edges: The gradient of the edges, of a listener that reads the context.

        Raises:
            ValueError: When the update no longer takes any.
        """
        if self.backprop is None or not self.is_open:
            raise ValueError(
                f"pipe {pipe_name!r} sends gradients to component {self.name!r}, but the update is "
                f"{self.state.value}. A pipe must answer once to each batch, before the "
                "component's finish_update or its next update"
            )
        self.losses[self.name] += self._gradients.add(gradients, edges)
        self._n_answers += 1
        self.state = State.ANSWERED
        if self._n_answers == self.n_listeners:
            self.finish()

    def finish_update(self, optimizer: Optimizer) -> None:
        """Take the optimizer's step: now, or if no gradients have come yet, when they have."""
        self.step = optimizer
        if not self.waits:
            self.finish()

    def finish(self) -> None:
        """Send back the gradients that have come, and take the step that was asked for."""
        if self.state is State.ANSWERED:
            assert self.backprop is not None
            total, edges = self._gradients.take(), self._gradients.take_edges()
            self.state = State.SENT
            if total is not None:
                self.backprop(total, edges)
        step, self.step = self.step, None
        if step is not None:
            self.model.finish_update(step)
            if self.backprop is not None:
                self.state = State.DONE

    def close(self) -> None:
        """Finish; whoever has not answered does so no more."""
        self.finish()
        self.state = State.DONE
