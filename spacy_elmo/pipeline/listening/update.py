"""What a listener knows of the `elmo` component that feeds it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_elmo.pipeline.doc.handover import DocLayers, layers_of
from spacy_elmo.pipeline.model.bilm import begin_layers, encode_layers, get_shim, load

if TYPE_CHECKING:
    from spacy_elmo.pipeline.listening.listener import ElmoListener
    from spacy_elmo.pipeline.listening.upstream import Feeding

# A listener's answer to `elmo`: number of the Doc in the batch, gradient of its layers.
Answer = Callable[[Sequence[tuple[int, Any]]], None]


class Batch(NamedTuple):
    """A training batch: the Docs, their layers, and where gradients go (None: nowhere)."""

    docs: list[Doc]
    layers: list[DocLayers]
    answer: Answer | None


class Link:
    """The way from a listener to its component.

    A weak one: a pipe must not keep alive a component that was taken out of the pipeline. There is
    one for each pipeline, for `nlp.add_pipe(name, source=other)` makes a pipe part of two.
    """

    def __init__(self) -> None:
        self._upstreams: list[ref[Feeding]] = []
        self._batch: Batch | None = None
        # Only for messages.
        self.pipe_name = ""

    @property
    def upstream(self) -> Feeding | None:
        """The component linked last, or None."""
        return next(reversed(self._alive()), None)

    def upstream_in(self, vocab: Vocab) -> Feeding | None:
        """The component in the pipeline of a vocabulary, or None."""
        return next((each for each in self._alive() if each.vocab is vocab), None)

    def _alive(self) -> list[Feeding]:
        components = [each() for each in self._upstreams]
        return [each for each in components if each is not None]

    def connect(self, upstream: Feeding, pipe_name: str) -> None:
        """Link to a component, in place of another one of its pipeline."""
        others = [each for each in self._alive() if each.vocab is not upstream.vocab]
        self._upstreams = [ref(each) for each in (*others, upstream)]
        self.pipe_name = pipe_name

    def disconnect(self, upstream: Feeding | None = None) -> None:
        """No longer linked to a component; None: to none at all."""
        others = [each for each in self._alive() if upstream not in (None, each)]
        self._upstreams = [ref(each) for each in others]
        self._batch = None

    def receive(
        self, docs: Sequence[Doc], layers: Sequence[DocLayers], answer: Answer | None
    ) -> None:
        """Take a training batch, in place of one that nobody asked for."""
        self._batch = Batch(list(docs), list(layers), answer)

    def finish(self) -> None:
        """The batch of the moment is done with."""
        self._batch = None

    def sizes(self, listener: ElmoListener) -> tuple[int, int, str]:
        """Number of layers and width of the weights, loaded now if they were not, and whose they
        are."""
        if listener.layers:
            model, whose = listener.layers[0], "its own language model"
        else:
            upstream = self._required(listener)
            model, whose = upstream.model, f"component {upstream.name!r}"
        width = load(model)
        return get_shim(model).lm.config.n_outputs, width, whose

    def layers(
        self, listener: ElmoListener, docs: Sequence[Doc], is_train: bool
    ) -> tuple[list[DocLayers], Callable[[Sequence[Any]], None] | None]:
        """Layers of Docs, and where the gradients of these go (None: nowhere)."""
        if listener.layers:
            own = listener.layers[0]
            if is_train and not get_shim(own).frozen:
                values, backprop = begin_layers(own, docs)
                return layers_of(docs, values), backprop
            return layers_of(docs, encode_layers(own, docs)), None
        if is_train and self._batch is not None:
            found = self._from_batch(self._batch, docs)
            if found is not None:
                return found
        # Docs have the vocabulary of the pipeline that works on them.
        upstream = self.upstream_in(docs[0].vocab) if docs else None
        if upstream is None:
            upstream = self._required(listener)
        elif listener not in upstream.listeners:
            # Its pipe was disabled when spaCy linked the pipeline, and is not any more: spaCy
            # tells nobody. From the next batch on it is fed.
            upstream.add_listener(listener, self.pipe_name)
        elif is_train and not upstream.frozen:
            warnings.warn(
                f"pipe {self.pipe_name!r} trains on Docs that component {upstream.name!r} has not "
                "seen in this update, so that the language model learns nothing from them",
                stacklevel=2,
            )
        return upstream.layers_for(docs, listener), None

    def _from_batch(
        self, batch: Batch, docs: Sequence[Doc]
    ) -> tuple[list[DocLayers], Callable[[Sequence[Any]], None] | None] | None:
        """Layers of Docs of the batch; None if it holds none of them."""
        places = {id(doc): k for k, doc in enumerate(batch.docs)}
        known = [places.get(id(doc)) for doc in docs]
        if all(k is None for k in known):
            if not _same_words(docs, batch.docs):
                return None
            known = list(range(len(docs)))  # copies, such as `entity_linker` makes
        indices = [k for k in known if k is not None]
        layers = [batch.layers[k] for k in indices]
        for doc, each in zip(docs, layers, strict=False):
            if None in known or each.values.shape[1] != len(doc):
                raise ValueError(
                    f"the listener of pipe {self.pipe_name!r} was given other Docs than its `elmo` "
                    "component in this update: both must train on the same Docs, and no pipe "
                    "between them may change their tokens"
                )
        answer = batch.answer
        if answer is None:
            return layers, None
        return layers, lambda gradients: answer(list(zip(indices, gradients, strict=True)))

    def _required(self, listener: ElmoListener) -> Feeding:
        upstream = self.upstream
        if upstream is None:
            name = listener.upstream_name
            which = "an `elmo` component" if name == "*" else f"the component {name!r}"
            pipe = f"pipe {self.pipe_name!r}" if self.pipe_name else "a pipe"
            raise ValueError(
                f"{pipe} listens to {which}, but none stands before it in the pipeline: add it "
                'there (nlp.add_pipe("elmo", first=True)), name another as the `upstream` of the '
                "listener, or give the pipe a language model of "
                "its own with nlp.replace_listeners before you take it elsewhere"
            )
        return upstream

    def __deepcopy__(self, memo: dict[int, Any]) -> Link:
        copied = Link()
        copied.pipe_name = self.pipe_name
        # Where the whole pipeline is copied, its own component has just been.
        copied._upstreams = [ref(memo.get(id(each), each)) for each in self._alive()]
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return {"upstreams": self._alive(), "pipe_name": self.pipe_name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._upstreams = [ref(each) for each in state["upstreams"]]
        self._batch = None
        self.pipe_name = state["pipe_name"]


def _same_words(docs: Sequence[Doc], others: Sequence[Doc]) -> bool:
    """Whether Docs have the same tokens, one by one."""
    return len(docs) == len(others) and all(
        [token.text for token in doc] == [token.text for token in other]
        for doc, other in zip(docs, others, strict=True)
    )
