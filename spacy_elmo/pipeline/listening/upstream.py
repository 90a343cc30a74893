"""How `elmo` feeds the pipes that listen to it, and takes their gradients back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.pipeline import EntityLinker
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer

from spacy_elmo.pipeline.doc import attributes, storage
from spacy_elmo.pipeline.doc.alignment import token_rows, token_sentences
from spacy_elmo.pipeline.doc.handover import DocLayers, PassingLayers, layers_of
from spacy_elmo.pipeline.doc.sentences import sentence_numbers
from spacy_elmo.pipeline.listening.gradients import Gradients
from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.listening.update import Answer
from spacy_elmo.pipeline.model.bilm import BiLMModel, begin_layers, encode_layers, get_shim


class OpenUpdate:
    """What is kept from an update on until the next one. Neither copied nor pickled: another
    component, or another process, takes no part in it.

    gradients: Those still to come. deferred: What is to use them then.
    docs: The Docs by their id and their layers, until the weights are updated.
    """

    def __init__(self) -> None:
        self.gradients: Gradients | None = None
        self.deferred: Optimizer | None = None
        self.docs: dict[int, tuple[Doc, DocLayers]] = {}

    def __reduce__(self) -> tuple[type[OpenUpdate], tuple[()]]:
        return OpenUpdate, ()


class Feeding:
    """The part of the component that spaCy's `Language` and the listeners talk to.

    spaCy calls `update` in the order of the pipeline, so the layers go to the listeners first, and
    their gradients come back while their own pipes are updated. It asks for the new weights
    (`finish_update`) at the end, as `spacy train` does, or right after `update`, as `nlp.update`
    with an optimiser does: before any gradient has come.
    """

    name: str
    vocab: Vocab
    model: BiLMModel
    attribute: str

    def start_feeding(self) -> None:
        """Set up what this class keeps."""
        self.listener_map = {}
        self.passing = PassingLayers()
        self._open = OpenUpdate()

    @property
    def frozen(self) -> bool:
        """Whether training leaves the language model as it is."""
        return get_shim(self.model).frozen

    @property
    def listener_map(self) -> dict[str, list[ElmoListener]]:
        """The listeners by the name of their pipe. spaCy empties it before it links the pipeline
        anew, that is, before it calls `find_listeners` with each later pipe in order."""
        return self._listener_map

    @listener_map.setter
    def listener_map(self, value: dict[str, list[ElmoListener]]) -> None:
        self._listener_map = value
        self._passed_another = False

    @property
    def listeners(self) -> list[ElmoListener]:
        """The listeners that this component feeds."""
        return [each for name in self.listening_components for each in self.listener_map[name]]

    @property
    def listening_components(self) -> list[str]:
        """Names of the pipes that listen."""
        return list(self.listener_map)

    def find_listeners(self, component: Any) -> None:
        """Link the listeners of a pipe that stands after this one; spaCy calls this.

        Where several `elmo` components stand before a listener of any ("*"), the nearest feeds it.

        Raises ValueError for listeners made for other weights, and for a component that writes the
        same extension attributes.
        """
        if isinstance(component, Feeding):
            if component.attribute == self.attribute:
                raise ValueError(attribute_taken(self.attribute, component.name, self.name))
            self._passed_another = True
        if not isinstance(getattr(component, "model", None), Model):
            return
        if isinstance(component, EntityLinker):
            _check_entity_linker(component)
        for node in component.model.walk():
            if (
                isinstance(node, ElmoListener)
                and not node.layers
                and node.upstream_name
                in ((self.name,) if self._passed_another else ("*", self.name))
            ):
                self.add_listener(node, component.name)

    def add_listener(self, listener: ElmoListener, component_name: str) -> None:
        """Feed a listener. Raises ValueError for one made for other weights."""
        before = listener.link.upstream_in(self.vocab)
        if before is not None and before is not self:
            before.remove_listener(listener, component_name)
        listener.link.connect(self, component_name)
        listeners = self.listener_map.setdefault(component_name, [])
        if listener not in listeners:
            listeners.append(listener)
        if get_shim(self.model).is_loaded:
            listener.set_sizes(*listener.link.sizes(listener))

    def remove_listener(self, listener: ElmoListener, component_name: str) -> bool:
        """No longer feed a listener; returns whether it was fed."""
        listeners = self.listener_map.get(component_name, [])
        if listener not in listeners:
            return False
        listener.link.disconnect(self)
        # In a new list: spaCy removes listeners while it goes through the old one.
        rest = [each for each in listeners if each is not listener]
        if rest:
            self.listener_map[component_name] = rest
        else:
            del self.listener_map[component_name]
        return True

    def layers_for(self, docs: Sequence[Doc], listener: ElmoListener) -> list[DocLayers]:
        """All layers of Docs, without gradients: those on their way from `set_annotations`, those
        kept on the Doc, those of the update, or else computed now, from the sentences that were
        read when the component ran."""
        found = [self.passing.take(doc, listener) or self._known(doc) for doc in docs]
        missing = [k for k in range(len(docs)) if found[k] is None]
        if missing:
            given = [docs[k] for k in missing]
            numbers = [self._sentences(doc) for doc in given]
            computed = encode_layers(self.model, given, numbers)
            for k, values, read in zip(missing, computed, numbers, strict=True):
                found[k] = DocLayers(values, read)
        return [each for each in found if each is not None]

    def _known(self, doc: Doc) -> DocLayers | None:
        kept = attributes.layers(doc, self.attribute)
        if kept is not None:
            return DocLayers(kept, self._sentences(doc))
        updated = self._open.docs.get(id(doc))
        if updated is None or updated[1].values.shape[1] != len(doc):
            return None
        return updated[1]

    def _sentences(self, doc: Doc) -> NDArray[np.int64]:
        rows = storage.read(doc, self.attribute)
        if rows is None or token_rows(doc, rows, "vectors") is None:  # some text it has not read
            return sentence_numbers(doc)
        return token_sentences(doc, rows)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Run the language model for the listeners; their gradients come back later, unless it is
        frozen. The loss is the sum of their squares.

        drop: Not used: a listener has the dropout of its own pipe.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "Elmo.update")
        self.finish_gradients()
        self._open.docs = {}
        listeners = self.listeners
        docs = [example.predicted for example in examples]
        if not listeners or not docs:
            return losses
        get_shim(self.model).fill_cache = True  # these texts will come again
        values, backprop = begin_layers(self.model, docs)
        layers = layers_of(docs, values)
        self._open.docs = {id(doc): (doc, each) for doc, each in zip(docs, layers, strict=True)}
        gradients = None
        if not self.frozen:
            shapes = [each.shape for each in values]
            gradients = Gradients(self.model.ops, shapes, len(listeners), backprop)
            self._open.gradients = gradients
        for listener in listeners:
            listener.receive(docs, layers, self._answer(gradients, losses))
        if sgd:
            self.finish_update(sgd)
        return losses

    def _answer(self, gradients: Gradients | None, losses: dict[str, float]) -> Answer | None:
        if gradients is None:
            return None

        def receive(parts: Sequence[tuple[int, Any]]) -> None:
            before = gradients.loss
            gradients.receive(parts)
            losses[self.name] += gradients.loss - before
            if gradients.is_sent and self._open.deferred is not None:
                self.finish_gradients()

        return receive

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights with the gradients that have come.

        Called before any has, as `nlp.update` does: this is made up for when they have, for the
        gradients belong to the weights they were computed with.
        """
        if self._open.gradients is not None and self._open.gradients.n_received == 0:
            self._open.deferred = sgd
            return
        self._open.deferred = sgd
        self.finish_gradients()

    def settle(self) -> None:
        """Finish what some listeners have answered to, while none is about to answer any more."""
        self._open.docs = {}
        if self._open.gradients is not None and self._open.gradients.n_received:
            self.finish_gradients()

    def finish_gradients(self) -> None:
        """Walk the way back that is still open, and make up for a deferred update."""
        gradients, self._open.gradients = self._open.gradients, None
        sgd, self._open.deferred = self._open.deferred, None
        if gradients is not None:
            gradients.send()
        if sgd is not None:
            self.model.finish_update(sgd)
            if not self.frozen:
                self._open.docs = {}


def _check_entity_linker(component: Any) -> None:
    """Its residual layer takes the width when the pipe is made, and would fail much later."""
    # With a projection, the listener is only a part of what stands there.
    if isinstance(component.model.maybe_get_ref("tok2vec"), ElmoListener):
        raise ValueError(
            f"pipe {component.name!r} needs the width of its elmo listener when it is made, before "
            "any weights are loaded: give the listener a projection, for instance projection = 128"
        )


def attribute_taken(attribute: str, name: str, other: str) -> str:
    """Message for two components with one name for their extension attributes."""
    return (
        f"components {other!r} and {name!r} would both write `._.{attribute}`: give one of them "
        "another name for its extension attributes, for instance "
        f'config={{"attribute": "{attribute}_2"}}'
    )
