"""`spacy-elmo.ElmoListener.v1`: what a pipe puts where its `tok2vec` would be."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any, cast

from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Linear, Model, chain, with_array

from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.listening.mixing import OWN, Mixes
from spacy_elmo.pipeline.listening.update import Update
from spacy_elmo.pipeline.listening.upstream import Upstream, Upstreams
from spacy_elmo.pipeline.model.bilm import check_model, configure, load, reload, run
from spacy_elmo.pipeline.model.outputs import Backprop
from spacy_elmo.pipeline.pipelines import is_missing
from spacy_elmo.pipeline.settings import ElmoSettings, check_at_least
from spacy_elmo.types import Array

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
    context: bool = False,
    token_attr: str = "TEXT",
) -> ListenerModel:
    """Vectors from the pipeline's `elmo` component, mixed and projected for this pipe's task.

    Softmax layer weights and gamma are learned, and so is the projection. The dropout of training
    applies to the mixed vectors (Peters et al. 2018, sections 3.2 and 3.3).

    Args:
        projection: Width of the vectors after a linear layer; None: no such layer, the language
            model's own width, known when its weights are loaded.
        layer_norm: Normalise each layer of each sentence before mixing.
        layer_l2: Weight of an L2 penalty on the layer weights, which pulls the mix towards the
            plain average.
        upstream: Name of the `elmo` component, or "*" for any.
        bilm: A language model of the pipe's own, `spacy-elmo.BiLM.v1`, instead of the component.
            `nlp.replace_listeners` puts one here.
        frozen: As that of the `elmo` component, for the pipe's own language model.
        learn_rate_factor: Likewise.
        context: Put beside the mix of a token's own layers a second one, learned likewise: of the
            LSTM layers' states around it, forwards of the word before and backwards of the word
            after. The vectors are twice as wide, before the projection.
        token_attr: As that of the `elmo` component, for the pipe's own language model.

    Returns:
        A model of Docs. *Shape:* (n_tokens, projection or width) per Doc.

    Raises:
        ValueError: For impossible values.
    """
    check_at_least(1, "projection", projection)
    check_at_least(0, "layer_l2", layer_l2)
    check_at_least(0, "learn_rate_factor", learn_rate_factor)
    listener = ElmoListener(upstream, layer_norm=layer_norm, layer_l2=layer_l2, context=context)
    if bilm is not None:
        check_model(bilm, ARCHITECTURE)
        own = ElmoSettings(
            frozen=frozen, learn_rate_factor=learn_rate_factor, token_attr=token_attr
        )
        configure(bilm, own)
        listener.layers.append(bilm)
    if projection is None:
        return listener
    projected = cast(ListenerModel, chain(listener, with_array(Linear(nO=projection))))
    projected.init = init_projected
    return projected


class ElmoListener(Mixes):
    """Mixes the layers it is given by `elmo`, or by a language model of its own.

    Attributes:
        upstream_name: Name of the component it listens to, or "*" for any.
        upstreams: The components it is linked to. Not saved.
        update: The training batch of the moment. Neither saved nor copied.
        pipe_name: Whose it is, for messages.
        learns: Whether it takes part in training batches. A pipe that only reads layers does not.
    """

    def __init__(
        self, upstream: str, *, layer_norm: bool, layer_l2: float, context: bool = False
    ) -> None:
        super().__init__(
            "elmo-listener",
            forward,
            init=init,
            dims={"nO": None},
            params=dict.fromkeys(OWN),
            attrs={"dropout_rate": 0.0},
        )
        self.upstream_name = upstream
        self.layer_norm = layer_norm
        self.layer_l2 = layer_l2
        self.upstreams = Upstreams()
        self.update: Update | None = None
        self.pipe_name = ""
        self.learns = True
        self.looked_for_another_pipeline = False
        if context:
            self.use_context()

    def connect(self, upstream: Upstream, pipe_name: str) -> None:
        """Listen to a component from now on, in place of another one of its pipeline."""
        self.upstreams.add(upstream)
        self.pipe_name = pipe_name

    def disconnect(self, upstream: Upstream) -> None:
        """No longer listen to a component."""
        self.upstreams.remove(upstream)
        self.update = None

    def receive(self, update: Update) -> None:
        """Take a training batch from `elmo`, in place of one that nobody asked for."""
        self.update = update

    def layers_for(
        self, docs: Sequence[Doc], is_train: bool
    ) -> tuple[list[DocLayers], Backprop | None]:
        """Layers of Docs, and where the gradients of these go (None: nowhere)."""
        if self.layers:
            outputs, backprop = run(self.layers[0], docs, is_train, layers=True)
            layers = [DocLayers(each.layers, each.sentences, each.edges) for each in outputs]
            return layers, backprop
        if is_train and self.update is not None and self.update.is_open:
            places = self.update.places(docs, self.pipe_name)
            if places is not None:
                return self._of_update(self.update, places)
        # Docs have the vocabulary of the pipeline that works on them.
        upstream = self.upstreams.of(docs[0].vocab) if docs else None
        if upstream is None:
            upstream = self._required()
            self._warn_of_another_pipeline(upstream, docs)
        elif self not in upstream.listeners:
            # Its pipe was disabled when spaCy linked the pipeline, and is not any more: spaCy
            # tells nobody. From the next batch on it is fed.
            upstream.add_listener(self, self.pipe_name)
        elif is_train and not upstream.frozen:
            warnings.warn(
                f"pipe {self.pipe_name!r} trains on Docs that component {upstream.name!r} has not "
                "seen in this update, so that the language model learns nothing from them",
                stacklevel=2,
            )
        return upstream.layers_for(docs, self), None

    def _warn_of_another_pipeline(self, upstream: Upstream, docs: Sequence[Doc]) -> None:
        if not docs or self.looked_for_another_pipeline:
            return
        self.looked_for_another_pipeline = True
        # A component that was sourced keeps its vocabulary, so that says nothing yet.
        if is_missing(upstream, docs[0].vocab):
            warnings.warn(
                f"pipe {self.pipe_name!r} listens to component {upstream.name!r} of another "
                "pipeline, for its own has none: once it is saved and loaded, it will fail. Source "
                f'the component, too (nlp.add_pipe("{upstream.name}", source=..., first=True)), or '
                "give the pipe a language model of its own with nlp.replace_listeners before",
                stacklevel=4,
            )

    def _of_update(
        self, update: Update, places: list[int]
    ) -> tuple[list[DocLayers], Backprop | None]:
        layers = [update.layers[k] for k in places]
        if update.backprop is None:
            return layers, None

        def answer(gradients: Sequence[Array], edges: Array | None = None) -> None:
            update.receive(list(zip(places, gradients, strict=True)), self.pipe_name, edges)

        return layers, answer

    def fit(self) -> int:
        """Fit to the weights of the language model, loaded now if they were not.

        Returns:
            The number of layers.

        Raises:
            ValueError: When it was trained for another number of layers or width.
        """
        n_layers, width, whose = self._sizes()
        have = self.mixed_width
        mixed = len(self.get_param("layer_weights")) if self.has_param("layer_weights") else None
        if (have or width) != width or (mixed or n_layers) != n_layers:
            raise ValueError(
                f"the listener of pipe {self.pipe_name!r} was made for "
                f"{n_layers if mixed is None else mixed} layers of width {have or width}, but "
                f"{whose} gives {n_layers} of width {width}: load the weights the pipe was trained "
                "with, or train the pipe anew"
            )
        self.set_dim("nO", width * self.n_mixes)
        return n_layers

    def restart(self) -> None:
        """Begin with the plain average, whatever was learned before.

        Raises:
            ValueError: When the pipe was made for another width.
        """
        n_layers, width, whose = self._sizes()
        have = self.mixed_width
        if (have or width) != width:
            raise ValueError(
                f"pipe {self.pipe_name!r} was made for vectors of width {have}, but {whose} gives "
                f"{width}, and initialising a pipe does not change the sizes of its layers: add "
                "the pipe anew (nlp.replace_pipe), or make the pipeline anew from its config"
            )
        self.set_dim("nO", width * self.n_mixes)
        self.start(n_layers)

    def _sizes(self) -> tuple[int, int, str]:
        """Number of layers and width of the language model, loaded now if it was not, and whose."""
        if self.layers:
            loaded = load(self.layers[0])
            return loaded.n_layers, loaded.width, "its own language model"
        upstream = self._required()
        return *upstream.sizes(), f"component {upstream.name!r}"

    def _required(self) -> Upstream:
        upstream = self.upstreams.last
        if upstream is None:
            name = self.upstream_name
            which = "an `elmo` component" if name == "*" else f"the component {name!r}"
            pipe = f"pipe {self.pipe_name!r}" if self.pipe_name else "a pipe"
            raise ValueError(
                f"{pipe} listens to {which}, but none stands before it in the pipeline: add it "
                'there (nlp.add_pipe("elmo", first=True)), or move it there in the order of the '
                "pipeline if it stands behind it, name another as the `upstream` of the "
                "listener, or give the pipe a language model of "
                "its own with nlp.replace_listeners before you take it elsewhere"
            )
        return upstream

    def _copy(self, seen: dict[int, Any] | None = None) -> ElmoListener:
        # Thinc's copies are plain models, which listen to nobody.
        plain = super()._copy(seen)
        copied = ElmoListener(
            self.upstream_name,
            layer_norm=self.layer_norm,
            layer_l2=self.layer_l2,
            context=self.context,
        )
        copied.take(plain)
        copied.upstreams = copy.deepcopy(self.upstreams)
        copied.pipe_name = self.pipe_name
        copied.learns = self.learns
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
    layers, answer = model.layers_for(docs, is_train)
    model.fit()
    if not model.has_param("layer_weights"):  # used without having been initialised
        model.restart()
    mixed, backprop_mix = model.mix(layers)
    drop = model.attrs["dropout_rate"] if is_train else 0.0
    masks = [ops.get_dropout_mask(each.shape, drop) for each in mixed] if drop else None
    if masks is not None:
        mixed = [each * mask for each, mask in zip(mixed, masks, strict=True)]

    def backprop(gradients: list[Array]) -> list[Doc]:
        if masks is not None:
            gradients = [each * mask for each, mask in zip(gradients, masks, strict=True)]
        found = backprop_mix(gradients, answer is not None)
        model.update = None
        if answer is not None and found is not None:
            answer(found.layers, found.edges)
        return []

    return mixed, backprop


def init(model: ElmoListener, X: Any = None, Y: Any = None) -> None:
    """Fit to the weights of the language model, and start with the plain average.

    One of its own starts anew too, from its source as long as that exists.
    """
    if model.layers:
        reload(model.layers[0])
    model.restart()


def init_projected(model: ListenerModel, X: Any = None, Y: Any = None) -> None:
    """Initialise a listener and its projection, whose sizes need no data."""
    listener, projection = model.layers
    listener.initialize()
    projection.layers[0].set_dim("nI", listener.get_dim("nO"))
    projection.initialize()
    model.set_dim("nO", projection.get_dim("nO"))
