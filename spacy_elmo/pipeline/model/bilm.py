"""`spacy-elmo.BiLM.v1`: the language model as a Thinc model of Docs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Model, torch2xp, xp2torch

from spacy_elmo.pipeline.doc.sentences import doc_sentences
from spacy_elmo.pipeline.doc.storage import Floats
from spacy_elmo.pipeline.model.fixed_mix import FixedMix
from spacy_elmo.pipeline.model.shim import BiLMShim
from spacy_elmo.pipeline.model.source import Source

# Arrays of Thinc's ops: numpy's, or cupy's on a GPU.
Array = Any
BiLMModel = Model[list[Doc], list[Array]]


@registry.architectures("spacy-elmo.BiLM.v1")  # type: ignore[untyped-decorator]
def build_bilm_v1(
    weights: str | None = "en_elmo_sm",
    options: str | None = None,
    vocab: str | None = None,
    initial_state: str | None = None,
    layer_weights: list[float] | None = None,
    gamma: float = 1.0,
) -> BiLMModel:
    """A pretrained bidirectional language model: one vector per token, in its context.

    Opens nothing: the weights are loaded when first needed.

    weights: Where they come from: a name ("en_elmo_sm" is packaged) or a path: a native directory,
        an HDF5 file of AllenNLP or bilm-tf, or a folder that holds such files. A saved pipeline
        carries its weights and does not consult this. None: there are none to load.
    options: The options file of an HDF5 file, where it is not beside it.
    vocab: The vocabulary of word-input weights, where it is not beside them.
    initial_state: "zero" or "warm"; None: what the weights say.
    layer_weights: Share of each layer in the vectors, the token layer first; they are scaled to a
        sum of 1. None: the plain average.
    gamma: Scale of the vectors.

    Returns a model of Docs. Its output is a row per token, zeros for white space.
    *Shape:* (n_tokens, width) per Doc.

    Raises ValueError for an initial state a component cannot use, or impossible layer weights.
    """
    source = Source(weights, options, vocab, initial_state)
    shim = BiLMShim(source, FixedMix(layer_weights, gamma))
    return Model("elmo-bilm", forward, init=init, dims={"nO": None}, shims=[shim])


def forward(
    model: BiLMModel, docs: list[Doc], is_train: bool
) -> tuple[list[Array], Callable[[list[Array]], list[Doc]]]:
    """Mixed vectors of Docs. In training, gradients of the vectors go back through all layers."""
    ops: Any = model.ops
    if not is_train:
        vectors = [ops.asarray2f(array) for array in encode_vectors(model, docs)]
        return vectors, lambda gradients: []
    layers, backprop_layers = begin_layers(model, docs)
    weights = ops.asarray1f(get_shim(model).mix_weights)

    def backprop(gradients: list[Array]) -> list[Doc]:
        backprop_layers([weights[:, None, None] * gradient for gradient in gradients])
        return []

    return [ops.xp.tensordot(weights, each, axes=1) for each in layers], backprop


def init(model: BiLMModel, X: Any = None, Y: Any = None) -> None:
    """Load the weights, and with them the width."""
    load(model)


def get_shim(model: Model[Any, Any]) -> BiLMShim:
    """The shim of a model made by `build_bilm_v1`."""
    return cast(BiLMShim, model.shims[0])


def check_model(model: Any, name: str) -> None:
    """Raises ValueError for something else than a model of `build_bilm_v1`."""
    if not isinstance(model, Model) or not any(isinstance(s, BiLMShim) for s in model.shims):
        raise ValueError(
            f"component {name!r} needs a model made by the architecture spacy-elmo.BiLM.v1, "
            f"got {model!r}"
        )


def load(model: Model[Any, Any]) -> int:
    """Load the weights if they are not there yet; returns the width."""
    width = get_shim(model).lm.config.width
    if model.maybe_get_dim("nO") != width:
        model.set_dim("nO", width, force=True)
    return width


def encode_vectors(model: BiLMModel, docs: Sequence[Doc]) -> list[Floats]:
    """Mixed vectors, without gradients. *Shape:* (n_tokens, width) per Doc."""
    return _encode(model, docs, (load(model),), mixed=True)


def encode_layers(
    model: BiLMModel,
    docs: Sequence[Doc],
    numbers: Sequence[NDArray[np.int64] | None] | None = None,
) -> list[Floats]:
    """All layers, without gradients. *Shape:* (n_layers, n_tokens, width) per Doc.

    numbers: Of each Doc, the numbers of its tokens' sentences, or None: as its boundaries say.
    """
    n_layers = get_shim(model).lm.config.n_outputs
    return _encode(model, docs, (n_layers, load(model)), mixed=False, numbers=numbers)


def begin_layers(
    model: BiLMModel, docs: Sequence[Doc]
) -> tuple[list[Array], Callable[[Sequence[Array]], None]]:
    """All layers with a way back, which does nothing where the weights are frozen.

    Returns per Doc *Shape:* (n_layers, n_tokens, width), and what to call with their gradients.
    """
    shim, ops = get_shim(model), cast(Any, model.ops)
    load(model)
    parts = [doc_sentences(doc) for doc in docs]
    if shim.frozen or not any(part.words for part in parts):
        frozen = [ops.asarray3f(layers) for layers in encode_layers(model, docs)]
        return frozen, lambda gradients: None
    tensor, backprop_tensor = shim.begin_layers([words for part in parts for words in part.words])
    flat: Any = torch2xp(tensor, ops=ops)
    ends = np.cumsum([len(part.rows) for part in parts]).tolist()
    starts = [0, *ends[:-1]]
    layers = []
    for part, start, end in zip(parts, starts, ends, strict=True):
        placed = ops.alloc3f(flat.shape[0], len(part.numbers), flat.shape[2])
        placed[:, part.rows] = flat[:, start:end]
        layers.append(placed)

    def backprop(gradients: Sequence[Array]) -> None:
        rows = [gradient[:, part.rows] for part, gradient in zip(parts, gradients, strict=True)]
        gradient = ops.xp.ascontiguousarray(ops.xp.concatenate(rows, axis=1), dtype="float32")
        backprop_tensor(xp2torch(gradient, device=tensor.device))

    return layers, backprop


def _encode(
    model: BiLMModel,
    docs: Sequence[Doc],
    shape: tuple[int, ...],
    *,
    mixed: bool,
    numbers: Sequence[NDArray[np.int64] | None] | None = None,
) -> list[Floats]:
    given = numbers or [None] * len(docs)
    parts = [doc_sentences(doc, each) for doc, each in zip(docs, given, strict=True)]
    sentences = [words for part in parts for words in part.words]
    arrays = get_shim(model).encode(sentences, mixed=mixed)
    placed = []
    start = 0
    for part in parts:
        end = start + len(part.words)
        placed.append(part.place(arrays[start:end], shape))
        start = end
    return placed
