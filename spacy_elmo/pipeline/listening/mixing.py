"""The mixes of a listener: of a token's own layers, and of the states around it beside that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from spacy.tokens import Doc
from thinc.api import Model

from spacy_elmo.bilm.context import Neighbours
from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.listening.mix import MixBackprop, mix_layers
from spacy_elmo.types import Array

# The parameters of the mixes: weights before the softmax, and gamma.
OWN = ("layer_weights", "gamma")
CONTEXT = ("context_layer_weights", "context_gamma")


class LayerGradients(NamedTuple):
    """What goes back to the language model.

    Attributes:
        layers: Per Doc. *Shape:* (n_layers, n_tokens, width).
        edges: Of the edges, where the context was read. *Shape:* as in `DocLayers`.
    """

    layers: list[Array]
    edges: Array | None


MixesBackprop = Callable[[Sequence[Array], bool], LayerGradients | None]


class Mixes(Model[list[Doc], list[Array]]):
    """A model that mixes layers.

    Attributes:
        layer_norm: Whether layers are normalised first.
        layer_l2: Weight of an L2 penalty on the weights before the softmax.
        context: Whether a second mix, of the states around each token, stands beside the first.
    """

    layer_norm: bool
    layer_l2: float
    context = False

    def use_context(self) -> None:
        """Read the states around each token, too. To be called before it is initialised."""
        self.context = True
        for name in CONTEXT:
            self.set_param(name, None)

    @property
    def n_mixes(self) -> int:
        """How many mixes stand side by side."""
        return 2 if self.context else 1

    @property
    def mixed_width(self) -> int | None:
        """Width of one mix, where it is known."""
        have = self.maybe_get_dim("nO")
        return None if have is None else have // self.n_mixes

    def start(self, n_layers: int) -> None:
        """Begin with plain averages.

        Args:
            n_layers: The token layer included, which has no part in the context.
        """
        for names, n_mixed in ((OWN, n_layers), (CONTEXT, n_layers - 1))[: self.n_mixes]:
            for name, values in zip(names, ([0.0] * n_mixed, [1.0]), strict=True):
                self.set_param(name, self.ops.asarray1f(values))
                if self.has_grad(name):
                    self.set_grad(name, self.ops.alloc1f(len(values)))

    def mix(self, docs: Sequence[DocLayers]) -> tuple[list[Array], MixesBackprop]:
        """The mixed vectors of some Docs.

        Returns:
            The vectors, *Shape:* (n_tokens, width), twice as wide with the context, per Doc; and
            what adds up the gradients of the parameters for theirs, and gives those for the
            language model if its second argument says so.
        """
        own, backprop_own = self._mix(OWN, docs)
        if self.context:
            return self._with_context(docs, own, backprop_own)

        def backprop(gradients: Sequence[Array], for_layers: bool) -> LayerGradients | None:
            layers = backprop_own(gradients, for_layers)
            return None if layers is None else LayerGradients(layers, None)

        return own, backprop

    def _mix(
        self, names: tuple[str, str], docs: Sequence[DocLayers]
    ) -> tuple[list[Array], Callable[[Sequence[Array], bool], list[Array] | None]]:
        """One mix, by the parameters of these names."""
        weights, gamma = map(self.get_param, names)
        backprop_mix: MixBackprop
        mixed, backprop_mix = mix_layers(self.ops, docs, weights, gamma, layer_norm=self.layer_norm)

        def backprop(gradients: Sequence[Array], for_layers: bool) -> list[Array] | None:
            found = backprop_mix(gradients, for_layers)
            self.inc_grad(names[0], found.weights + 2 * self.layer_l2 * weights)
            self.inc_grad(names[1], found.gamma)
            return found.layers

        return mixed, backprop

    def _with_context(
        self,
        docs: Sequence[DocLayers],
        own: list[Array],
        backprop_own: Callable[[Sequence[Array], bool], list[Array] | None],
    ) -> tuple[list[Array], MixesBackprop]:
        """Both mixes side by side."""
        ops: Any = self.ops
        xp = ops.xp
        beside = [Neighbours(doc.sentences, doc.edges.shape[1]) for doc in docs]
        states = []
        for each, doc in zip(beside, docs, strict=True):
            edges = ops.asarray3f(doc.edges)
            values = each.gather(xp, ops.asarray3f(doc.values[1:]), edges.reshape(len(edges), -1))
            states.append(DocLayers(values, doc.sentences))
        around, backprop_around = self._mix(CONTEXT, states)

        def backprop(gradients: Sequence[Array], for_layers: bool) -> LayerGradients | None:
            halves = [xp.split(gradient, 2, axis=1) for gradient in gradients]
            layers = backprop_own([half[0] for half in halves], for_layers)
            of_states = backprop_around([half[1] for half in halves], for_layers)
            if layers is None or of_states is None:
                return None
            total: Any = None
            for doc, each, layer, gradient in zip(docs, beside, layers, of_states, strict=True):
                values, edges = each.scatter(xp, gradient)
                layer[1:] += values
                edges = edges.reshape(doc.edges.shape)
                total = edges if total is None else total + edges
            return LayerGradients(layers, total)

        return [xp.concatenate(pair, axis=1) for pair in zip(own, around, strict=True)], backprop
