"""What a listener knows of the component that it listens to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from weakref import ref

from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.types import Floats


class Upstream(Protocol):
    """A component that listeners listen to."""

    name: str
    vocab: Vocab

    @property
    def frozen(self) -> bool:
        """Whether training leaves the language model as it is."""

    @property
    def listeners(self) -> list[Any]:
        """The listeners that this component feeds."""

    def add_listener(self, listener: Model[Any, Any], component_name: str) -> None:
        """Feed a listener from now on."""

    def remove_listener(self, listener: Model[Any, Any], component_name: str) -> bool:
        """No longer feed a listener; returns whether it was fed."""

    def sizes(self) -> tuple[int, int]:
        """Number of layers, and width."""

    def top_mean(self) -> Floats | None:
        """The mean of the top layer over running text, where the weights carry one."""

    def layers_for(self, docs: Sequence[Doc], listener: Model[Any, Any]) -> list[DocLayers]:
        """All layers of Docs, without gradients."""


class Upstreams:
    """The components that a listener listens to: one in each pipeline that its pipe is a part of.

    `nlp.add_pipe(name, source=other)` makes a pipe part of two. They are held weakly: a pipe must
    not keep alive a component that was taken out of the pipeline.
    """

    def __init__(self, upstreams: Sequence[Upstream] = ()) -> None:
        self._refs = [ref(each) for each in upstreams]

    @property
    def last(self) -> Upstream | None:
        """The component linked last, or None."""
        return next(reversed(self._alive()), None)

    def of(self, vocab: Vocab) -> Upstream | None:
        """The component in the pipeline of a vocabulary, or None."""
        return next((each for each in self._alive() if each.vocab is vocab), None)

    def add(self, upstream: Upstream) -> None:
        """Link to a component, in place of another one of its pipeline."""
        others = [each for each in self._alive() if each.vocab is not upstream.vocab]
        self._refs = [ref(each) for each in (*others, upstream)]

    def remove(self, upstream: Upstream) -> None:
        """No longer linked to a component."""
        self._refs = [ref(each) for each in self._alive() if each is not upstream]

    def clear(self) -> None:
        """Linked to none at all."""
        self._refs = []

    def _alive(self) -> list[Upstream]:
        components = [each() for each in self._refs]
        return [each for each in components if each is not None]

    def __deepcopy__(self, memo: dict[int, Any]) -> Upstreams:
        # Where the whole pipeline is copied, its own component has just been.
        return Upstreams([memo.get(id(each), each) for each in self._alive()])

    def __reduce__(self) -> tuple[type[Upstreams], tuple[list[Upstream]]]:
        return Upstreams, (self._alive(),)
