"""`spacy-elmo.ElmoListener.v1`: what a pipe puts where its `tok2vec` would be."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Linear, Model, chain, with_array

from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.listening.mix import mix_layers
from spacy_elmo.pipeline.listening.update import Answer, Link
from spacy_elmo.pipeline.model.bilm import Array, check_model, get_shim

ListenerModel = Model[list[Doc], list[Array]]
ARCHITECTURE = "spacy-elmo.ElmoListener.v1"


@registry.architectures(ARCHITECTURE)  # type: ignore[untyped-decorator]
def build_elmo_listener_v1(
    projection: int | None = None,
    layer_norm: bool = False,
    layer_l2: float = 0.0,
    upstream: str = "*",
    bilm: Model[Any, Any] | None = None,
    frozen: bool = True,
    learn_rate_factor: float = 1.0,
) -> ListenerModel:
    """Vectors from the pipeline's `elmo` component, mixed and projected for this pipe's task.

    Softmax layer weights and gamma are learned, and so is the projection. The dropout of training
    applies to the mixed vectors (Peters et al. 2018, sections 3.2 and 3.3).

    projection: Width of the vectors after a linear layer; None: no such layer, the language
        model's own width, known when its weights are loaded.
    layer_norm: Normalise each layer of each sentence before mixing.
    layer_l2: Weight of an L2 penalty on the layer weights, which pulls the mix towards the plain
        average.
    upstream: Name of the `elmo` component, or "*" for any.
    bilm: A language model of the pipe's own, `spacy-elmo.BiLM.v1`, instead of the component.
        `nlp.replace_listeners` puts one here.
    frozen, learn_rate_factor: As those of the `elmo` component, for that one.

    Returns a model of Docs. *Shape:* (n_tokens, projection or width) per Doc.

    Raises ValueError for impossible values.
    """
    if projection is not None and projection < 1:
        raise ValueError(f"projection is {projection}: expected a width of at least 1, or null")
    if layer_l2 < 0:
        raise ValueError(f"layer_l2 is {layer_l2}: expected 0 or more")
    listener = ElmoListener(upstream, layer_norm=layer_norm, layer_l2=layer_l2)
    if bilm is not None:
        check_model(bilm, ARCHITECTURE)
        get_shim(bilm).configure(frozen=frozen, learn_rate_factor=learn_rate_factor)
        listener.layers.append(bilm)
    if projection is None:
        return listener
    return cast(ListenerModel, chain(listener, with_array(Linear(nO=projection))))


class ElmoListener(Model[list[Doc], list[Array]]):
    """Mixes the layers it is given by `elmo`, or by a language model of its own.

    Its state, what it is linked to and the batch of the moment, is an attribute of the object: it
    is neither saved nor copied.
    """

    def __init__(self, upstream: str, *, layer_norm: bool, layer_l2: float) -> None:
        super().__init__(
            "elmo-listener",
            forward,
            init=init,
            dims={"nO": None},
            params={"layer_weights": None, "gamma": None},
            attrs={"dropout_rate": 0.0},
        )
        self.upstream_name = upstream
        self.layer_norm = layer_norm
        self.layer_l2 = layer_l2
        self.link = Link()

    def receive(
        self, docs: Sequence[Doc], layers: Sequence[DocLayers], answer: Answer | None
    ) -> None:
        """Take a training batch from `elmo`. answer: Where gradients go; None: nowhere."""
        self.link.receive(docs, layers, answer)

    def set_sizes(self, n_layers: int, width: int, whose: str) -> None:
        """Fit to the weights.

        whose: Where they are from, for the message.

        Raises ValueError when it was trained for another number of layers or width.
        """
        have = self.maybe_get_dim("nO")
        mixed = len(self.get_param("layer_weights")) if self.has_param("layer_weights") else None
        if (have or width) != width or (mixed or n_layers) != n_layers:
            raise ValueError(
                f"the listener of pipe {self.link.pipe_name!r} was made for "
                f"{n_layers if mixed is None else mixed} layers of width {have or width}, but "
                f"{whose} gives {n_layers} of width {width}: load the weights the pipe was trained "
                "with, or train the pipe anew"
            )
        self.set_dim("nO", width)

    def _copy(self, seen: dict[int, Any] | None = None) -> ElmoListener:
        # Thinc's copies are plain models, which know no link.
        plain = super()._copy(seen)
        copied = ElmoListener(
            self.upstream_name, layer_norm=self.layer_norm, layer_l2=self.layer_l2
        )
        copied.take(plain)
        copied.link = copy.deepcopy(self.link)
        return copied

    def take(self, other: Model[Any, Any]) -> None:
        """Take over the sizes, parameters, attributes and language model of a model like this."""
        self._layers = list(other.layers)
        self.attrs.update(other.attrs)
        if other.has_dim("nO"):
            self.set_dim("nO", other.get_dim("nO"))
        for name in other.param_names:
            if other.has_param(name):
                self.set_param(name, other.get_param(name).copy())
            if other.has_grad(name):
                self.set_grad(name, other.get_grad(name).copy())


def forward(
    model: ElmoListener, docs: Sequence[Doc], is_train: bool
) -> tuple[list[Array], Callable[[list[Array]], list[Doc]]]:
    """Mixed vectors, zeros for white space. *Shape:* (n_tokens, width) per Doc."""
    ops = model.ops
    layers, answer = model.link.layers(model, docs, is_train)
    init(model)
    weights = model.get_param("layer_weights")
    mixed, backprop_mix = mix_layers(
        ops, layers, weights, model.get_param("gamma"), layer_norm=model.layer_norm
    )
    drop = model.attrs["dropout_rate"] if is_train else 0.0
    masks = [ops.get_dropout_mask(each.shape, drop) for each in mixed] if drop else None
    if masks is not None:
        mixed = [each * mask for each, mask in zip(mixed, masks, strict=True)]

    def backprop(gradients: list[Array]) -> list[Doc]:
        if masks is not None:
            gradients = [each * mask for each, mask in zip(gradients, masks, strict=True)]
        found = backprop_mix(gradients, answer is not None)
        model.inc_grad("layer_weights", found.weights + 2 * model.layer_l2 * weights)
        model.inc_grad("gamma", found.gamma)
        model.link.finish()
        if answer is not None and found.layers is not None:
            answer(found.layers)
        return []

    return mixed, backprop


def init(model: ElmoListener, X: Any = None, Y: Any = None) -> None:
    """Fit to the weights of the language model, and start with the plain average."""
    n_layers, width, whose = model.link.sizes(model)
    model.set_sizes(n_layers, width, whose)
    if not model.has_param("layer_weights"):
        model.set_param("layer_weights", model.ops.alloc1f(n_layers))
        model.set_param("gamma", model.ops.alloc1f(1) + 1)


def replace_listener(bilm: Model[Any, Any], listener: ElmoListener, upstream: Any) -> ElmoListener:
    """For `nlp.replace_listeners`: the same listener with a language model of its own, which
    computes in float32 and has bounds of memory by size.

    bilm: The copy for it. upstream: The component it listened to.
    """
    own: ElmoListener = listener.copy()
    own.link.disconnect()
    shim = get_shim(upstream.model)
    get_shim(bilm).configure(frozen=shim.frozen, learn_rate_factor=shim.learn_rate_factor)
    own.layers.append(bilm)
    return own


def replace_listener_cfg(
    bilm: dict[str, Any], listener: dict[str, Any], *, frozen: bool, learn_rate_factor: float
) -> dict[str, Any]:
    """The config that makes what `replace_listener` gives.

    listener: The pipe's `tok2vec`, which is the listener or holds it: spaCy hands over that one
        wherever the listener stands.

    Raises ValueError when it holds none, or several that differ in more than whom they listen to.
    """
    blocks = list(_listener_blocks(listener))
    if not blocks:
        raise ValueError(
            f"the tok2vec of this pipe, {listener.get('@architectures')}, has no block of "
            f"{ARCHITECTURE} in its config: only one that stands there can be replaced"
        )
    if any({**block, "upstream": ""} != {**blocks[0], "upstream": ""} for block in blocks):
        raise ValueError(
            "this pipe has listeners with different settings, and spaCy does not say which of "
            "them to replace: give each the same settings"
        )
    return {
        **blocks[0],
        "bilm": copy.deepcopy(bilm),
        "frozen": frozen,
        "learn_rate_factor": learn_rate_factor,
    }


def _listener_blocks(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block.get("@architectures") == ARCHITECTURE:
        if block.get("bilm") is None:  # or it has been replaced before
            yield block
        return
    for value in block.values():
        if isinstance(value, dict):
            yield from _listener_blocks(value)
