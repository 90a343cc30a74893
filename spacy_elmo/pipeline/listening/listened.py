"""A component that listeners listen to: what spaCy asks of it, and the protocol `Upstream`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_elmo.pipeline.doc import attributes
from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.listening.renaming import follow_renaming
from spacy_elmo.pipeline.listening.shared import SharedBiLM
from spacy_elmo.pipeline.listening.upstream import Upstream
from spacy_elmo.pipeline.model.bilm import BiLMModel, is_loaded, load
from spacy_elmo.pipeline.pipelines import pipelines_with
from spacy_elmo.pipeline.sentence_order import (
    finders_before,
    finds_sentences,
    warn_of_late_sentences,
)
from spacy_elmo.types import Floats


class ListenedTo:
    """The side of a component that its listeners, and spaCy when it links them, see.

    To be mixed into a `TrainablePipe`, which has the vocabulary and the model.

    Attributes:
        shared: The language model as the listeners share it.
    """

    vocab: Vocab
    model: BiLMModel
    shared: SharedBiLM
    _known_as: str | None = None
    _warned_of_sentences = False

    @property
    def name(self) -> str:
        """Name in the pipeline. Listeners that name it follow when it is renamed."""
        name: str = TrainablePipe.name.__get__(self)
        return name

    @name.setter
    def name(self, value: str) -> None:
        before = self._known_as
        self._known_as = value
        TrainablePipe.name.__set__(self, value)
        if before not in (None, value):
            follow_renaming(self, before, value, self.shared.listener_map)

    @property
    def listener_map(self) -> dict[str, list[ElmoListener]]:
        """The listeners by the name of their pipe.

        spaCy empties it before it links the pipeline anew, that is, before it calls
        `find_listeners` with each later pipe in order.
        """
        return self.shared.listener_map

    @listener_map.setter
    def listener_map(self, value: dict[str, list[ElmoListener]]) -> None:
        self.shared.listener_map = value
        self.shared.has_passed_another = False

    @property
    def listeners(self) -> list[ElmoListener]:
        """The listeners that this component feeds."""
        return self.shared.listeners

    @property
    def listening_components(self) -> list[str]:
        """Names of the pipes that listen."""
        return list(self.shared.listener_map)

    def find_listeners(self, component: Any) -> None:
        """Link the listeners of a pipe that stands after this one; spaCy calls this.

        Where several `elmo` components stand before a listener of any ("*"), the nearest feeds it.

        Raises:
            ValueError: For listeners made for other weights, and for a component that writes the
                same extension attributes.
        """
        if isinstance(component, ListenedTo):
            if component.shared.attribute == self.shared.attribute:
                raise ValueError(attributes.taken(self.shared.attribute, component.name, self.name))
            self.shared.has_passed_another = True
        listeners = list(self.shared.found_in(component, self.name))
        for listener in listeners:
            self.add_listener(listener, component.name)
        if finds_sentences(component) and not listeners and not self._warned_of_sentences:
            pipelines = pipelines_with(self)
            if not any(finders_before(nlp, name) for nlp, name in pipelines):
                self._warned_of_sentences = True
                warn_of_late_sentences(self.name, component.name)

    def add_listener(self, listener: ElmoListener, component_name: str) -> None:
        """Feed a listener.

        Raises:
            ValueError: For one made for other weights.
        """
        before = listener.upstreams.of(self.vocab)
        if before is not None and before is not cast(Upstream, self):
            before.remove_listener(listener, component_name)
        listener.connect(cast(Upstream, self), component_name)
        self.shared.add(listener, component_name)
        if is_loaded(self.model):
            listener.fit()

    def remove_listener(self, listener: ElmoListener, component_name: str) -> bool:
        """No longer feed a listener; returns whether it was fed."""
        was_fed = self.shared.remove(listener, component_name)
        if was_fed:
            listener.disconnect(cast(Upstream, self))
        return was_fed

    def layers_for(self, docs: Sequence[Doc], listener: ElmoListener) -> list[DocLayers]:
        """All layers of Docs, without gradients."""
        return self.shared.layers_for(docs, listener)

    def sizes(self) -> tuple[int, int]:
        """Number of layers and width of the weights, loaded now if they were not."""
        loaded = load(self.model)
        return loaded.n_layers, loaded.width

    def top_mean(self) -> Floats | None:
        """The mean of the top layer over running text, where the weights carry one.

        *Shape:* (width,).
        """
        return load(self.model).context_mean
