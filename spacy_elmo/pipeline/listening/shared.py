"""A component's language model as its listeners share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spacy.pipeline import EntityLinker
from spacy.tokens import Doc
from thinc.api import Model, Optimizer

from spacy_elmo.pipeline.doc import storage, values
from spacy_elmo.pipeline.doc.alignment import token_rows, token_sentences
from spacy_elmo.pipeline.doc.handover import DocLayers, Handover
from spacy_elmo.pipeline.doc.sentences import sentence_numbers
from spacy_elmo.pipeline.doc.storage import Rows
from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.listening.update import Update
from spacy_elmo.pipeline.model.bilm import BiLMModel, get_shim, load, run
from spacy_elmo.types import Floats, Ints


class SharedBiLM:
    """Gives the listeners the layers of Docs, and in training takes their gradients.

    Args:
        model: The language model.
        attribute: Name of the component's extension attributes.

    Attributes:
        listener_map: The listeners by the name of their pipe.
        has_passed_another: Whether, while spaCy links the pipeline, another component that can be
            listened to has been seen: it is nearer to the pipes that follow.
    """

    def __init__(self, model: BiLMModel, attribute: str) -> None:
        self.model = model
        self.attribute = attribute
        self.listener_map: dict[str, list[ElmoListener]] = {}
        self.has_passed_another = False
        self.handover = Handover()
        self._update: Update | None = None

    # The listeners

    @property
    def listeners(self) -> list[ElmoListener]:
        """All listeners, in the order of their pipes."""
        return [listener for listeners in self.listener_map.values() for listener in listeners]

    def found_in(self, component: Any, name: str) -> Iterator[ElmoListener]:
        """The listeners of a later pipe that want to be fed by this component.

        Args:
            component: The pipe.
            name: That of this component.

        Raises:
            ValueError: For an entity linker that will need a width too early.
        """
        if not isinstance(getattr(component, "model", None), Model):
            return
        if isinstance(component, EntityLinker):
            _check_entity_linker(component)
        wanted = (name,) if self.has_passed_another else ("*", name)
        for node in component.model.walk():
            if isinstance(node, ElmoListener) and not node.layers and node.upstream_name in wanted:
                yield node

    def add(self, listener: ElmoListener, pipe_name: str) -> None:
        """Feed a listener."""
        listeners = self.listener_map.setdefault(pipe_name, [])
        if listener not in listeners:
            listeners.append(listener)

    def remove(self, listener: ElmoListener, pipe_name: str) -> bool:
        """No longer feed a listener; returns whether it was fed."""
        listeners = self.listener_map.get(pipe_name, [])
        if listener not in listeners:
            return False
        # In a new list: spaCy removes listeners while it goes through the old one.
        rest = [each for each in listeners if each is not listener]
        if rest:
            self.listener_map[pipe_name] = rest
        else:
            del self.listener_map[pipe_name]
        return True

    # Their layers, without gradients

    def hand_over(self, doc: Doc, rows: Rows, layers: Floats, edges: Any) -> None:
        """Keep the layers of a Doc until every listener has had them."""
        if self.listener_map:
            self.handover.put(doc, rows, layers, edges, self.listeners)

    def layers_for(self, docs: Sequence[Doc], listener: object) -> list[DocLayers]:
        """All layers of Docs, without gradients.

        Those that wait for the listener, those kept on the Doc, those of the update, or else
        computed now, from the sentences that were read when the component ran.
        """
        found = [self.handover.take(doc, listener) or self._known(doc) for doc in docs]
        missing = [k for k in range(len(docs)) if found[k] is None]
        if missing:
            given = [docs[k] for k in missing]
            numbers = [self._sentences(doc) for doc in given]
            outputs, _ = run(self.model, given, layers=True, sentences=numbers)
            for k, output in zip(missing, outputs, strict=True):
                found[k] = DocLayers(output.layers, output.sentences, output.edges)
        layers = [each for each in found if each is not None]
        if all(each.edges is not None for each in layers):
            return layers
        edges = load(self.model).edges  # once: a Doc keeps none
        return [each._replace(edges=edges) if each.edges is None else each for each in layers]

    def _known(self, doc: Doc) -> DocLayers | None:
        kept = values.layers(doc, self.attribute)
        if kept is not None:
            return DocLayers(kept, self._sentences(doc))
        return None if self._update is None else self._update.layers_of(doc)

    def _sentences(self, doc: Doc) -> Ints:
        rows = storage.read(doc, self.attribute)
        if rows is None or token_rows(doc, rows, "vectors") is None:  # some text it has not read
            return sentence_numbers(doc)
        return token_sentences(doc, rows)

    # Training

    def update(self, docs: Sequence[Doc], name: str, losses: dict[str, float]) -> None:
        """Run the language model for the listeners; their gradients come back later.

        Args:
            docs: The Docs of the batch.
            name: That of the component.
            losses: Where its loss is added up.
        """
        self.close()
        listeners = [each for each in self.listeners if each.learns]
        if not listeners or not docs:
            return
        outputs, backprop = run(self.model, docs, is_train=True, layers=True)
        layers = [DocLayers(each.layers, each.sentences, each.edges) for each in outputs]
        attr = get_shim(self.model).settings.token_attr
        self._update = Update(
            name, self.model, docs, layers, backprop, len(listeners), losses, attr
        )
        for listener in listeners:
            listener.receive(self._update)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights with the gradients that have come, or will."""
        if self._update is None:
            self.model.finish_update(optimizer)
        else:
            self._update.finish_update(optimizer)

    def finish(self) -> None:
        """Make sure that the weights are those that the gradients so far ask for."""
        if self._update is not None:
            self._update.finish()

    def close(self) -> None:
        """End the update, whoever has not answered yet."""
        if self._update is not None:
            self._update.close()
            self._update = None

    def settle(self) -> None:
        """Finish, and let go of the batch, unless gradients for it are about to come.

        To be called before other Docs are read.
        """
        if self._update is not None and not self._update.waits:
            self._update.finish()
            self._update = None


def _check_entity_linker(component: Any) -> None:
    """Its residual layer takes the width when the pipe is made, and would fail much later."""
    # With a projection, the listener is only a part of what stands there.
    if isinstance(component.model.maybe_get_ref("tok2vec"), ElmoListener):
        raise ValueError(
            f"pipe {component.name!r} needs the width of its elmo listener when it is made, before "
            "any weights are loaded: give the listener a projection, for instance projection = 128"
        )
