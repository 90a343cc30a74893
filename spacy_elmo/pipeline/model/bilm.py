"""`spacy-elmo.BiLM.v1`: the language model as a Thinc model of Docs, and how it is run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Model

from spacy_elmo.errors import TrainingError, problem
from spacy_elmo.pipeline.doc.sentences import docs_sentences, place
from spacy_elmo.pipeline.model.around import wants_around
from spacy_elmo.pipeline.model.fixed_mix import FixedMix
from spacy_elmo.pipeline.model.loaded import LoadedBiLM
from spacy_elmo.pipeline.model.outputs import (
    Backprop,
    Output,
    mixed,
    mixed_vectors,
    with_around,
    with_gradients,
)
from spacy_elmo.pipeline.model.shim import BiLMShim
from spacy_elmo.pipeline.model.source import Source
from spacy_elmo.pipeline.settings import ElmoSettings
from spacy_elmo.types import Array, Ints

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

    Args:
        weights: Where they come from: a name ("en_elmo_sm" is packaged, others come by `spacy elmo
            download`) or a path: a native directory, an HDF5 file of AllenNLP or bilm-tf, a
            checkpoint of TensorFlow, an AllenNLP model with an ELMo inside (`PATH#MODULE`: one of
            several), a folder or an archive that holds such files, or one of ELMoForManyLangs. A
            saved pipeline carries its weights and does not consult this. None: there are none to
            load.
        options: The options file, where it is not beside the weights or in the AllenNLP model.
        vocab: The vocabulary of word-input weights, where it is not beside them.
        initial_state: "zero" or "warm"; None: what the weights say.
        layer_weights: Share of each layer in the vectors, the token layer first; they are scaled
            to a sum of 1. None: the plain average.
        gamma: Scale of the vectors.

    Returns:
        A model of Docs. Its output is a row per token, zeros for white space.
        *Shape:* (n_tokens, width) per Doc.

    Raises:
        ValueError: For an initial state a component cannot use, or impossible layer weights.
    """
    source = Source(weights, options, vocab, initial_state)
    shim = BiLMShim(source, FixedMix(layer_weights, gamma))
    return Model("elmo-bilm", forward, init=init, dims={"nO": None}, shims=[shim])


def forward(
    model: BiLMModel, docs: Sequence[Doc], is_train: bool
) -> tuple[list[Array], Callable[[list[Array]], list[Doc]]]:
    """Mixed vectors of Docs. In training, gradients of the vectors go back through all layers.

    Raises:
        TrainingError: When a component's language model is to be trained itself, as `spacy
            pretrain` does, but is frozen.
    """
    shim = get_shim(model)
    if is_train and shim.is_component and shim.settings.frozen:
        raise TrainingError(
            "the language model of the `elmo` component is frozen, so that training it, as `spacy "
            "pretrain` would, changes nothing: set frozen = false in its block of the config "
            "([components.elmo])"
        )
    outputs, backprop_vectors = run(model, docs, is_train)

    def backprop(gradients: list[Array]) -> list[Doc]:
        if backprop_vectors is not None:
            backprop_vectors(gradients)
        return []

    ops: Any = model.ops
    return [ops.asarray2f(output.vectors) for output in outputs], backprop


def init(model: BiLMModel, X: Any = None, Y: Any = None) -> None:
    """Load the weights, and with them the width."""
    load(model)


def run(
    model: BiLMModel,
    docs: Sequence[Doc],
    is_train: bool = False,
    *,
    layers: bool = False,
    sentences: Sequence[Ints] | None = None,
    around: bool = False,
) -> tuple[list[Output], Backprop | None]:
    """Run the language model over Docs: the one way, in prediction and in training.

    Args:
        model: Made by `build_bilm_v1`.
        docs: The Docs. They are not changed.
        is_train: Whether this is a batch of training. Its arrays are those of the model's ops;
            otherwise they are numpy's.
        layers: Whether all layers are wanted, too.
        sentences: Of each Doc the numbers of its tokens' sentences, of an earlier reading; None: as
            the boundaries of the Docs say.
        around: Whether what the settings ask for of the states around each token is wanted, too.
            Outside training.

    Returns:
        An output per Doc, and what to call with the gradients of their layers, if these were asked
        for, and else of their vectors. None where no gradients are wanted: outside training, and
        when the weights are frozen.
    """
    loaded = load(model)
    read = docs_sentences(docs, sentences, loaded.settings.token_attr)
    if is_train and not loaded.settings.frozen:
        return with_gradients(model.ops, loaded, read, layers)
    words = [sentence for each in read for sentence in each.words]
    around = around and wants_around(loaded.settings)
    if not is_train and not layers:
        return mixed_vectors(loaded, read, words, around), None
    if is_train and loaded.cache is not None:
        loaded.cache.is_filling = True
    edges: Array = loaded.edges if layers else None
    values: list[Array] = list(place(read, loaded.layers(words), (loaded.n_layers, loaded.width)))
    if is_train:
        ops: Any = model.ops
        values = [ops.asarray3f(each) for each in values]
        edges = None if edges is None else ops.asarray3f(edges)
        return mixed(ops.xp, ops.asarray1f(loaded.mix_weights), values, read, edges), None
    outputs = mixed(np, loaded.mix_weights, values, read, edges)
    return with_around(loaded, read, outputs, [each[-1] for each in values], around), None


def load(model: Model[Any, Any]) -> LoadedBiLM:
    """What the model runs, loaded now if it was not, and with it the model's width."""
    loaded = get_shim(model).loaded
    if model.maybe_get_dim("nO") != loaded.width:
        model.set_dim("nO", loaded.width, force=True)
    return loaded


def is_loaded(model: Model[Any, Any]) -> bool:
    """Whether the weights are there."""
    return get_shim(model).is_loaded


def reload(
    model: Model[Any, Any],
    weights: str | None = None,
    options: str | None = None,
    vocab: str | None = None,
) -> None:
    """Load other weights, or those of the config anew if they are still there.

    Args:
        model: Made by `build_bilm_v1`.
        weights: Where to load them from; None: where the config says. Weights that are there
            already are kept when nothing is there any more.
        options: Their options file.
        vocab: Their vocabulary.

    Raises:
        WeightsError: When there is nothing to load, or it is damaged.
    """
    shim = get_shim(model)
    if weights is not None:
        shim.reload(Source(weights, options, vocab, shim.source.initial_state))
    elif not shim.is_loaded or shim.source.exists():
        shim.reload()
    load(model)


def to_disk(model: Model[Any, Any], path: Path) -> None:
    """Write the weights as a native directory, loaded now if they were not."""
    get_shim(model).to_disk(path)


def from_disk(model: Model[Any, Any], path: Path) -> None:
    """Read the weights from a native directory. When that fails, those that were there stay."""
    get_shim(model).from_disk(path)
    load(model)


def use_source(model: Model[Any, Any], missing: Path) -> None:
    """Go by the config for weights that a saved pipeline does not have.

    Args:
        model: Made by `build_bilm_v1`.
        missing: Where they were expected.

    Raises:
        WeightsError: When the config names none that are there.
    """
    source = get_shim(model).source
    if not source.exists():
        raise problem(
            missing,
            "there is no such folder: the component was left out of this pipeline (`exclude`), "
            f"and its config names weights = {source.weights!r}, which are not there either",
            "Save the pipeline with the component, or leave it out of spacy.load, too "
            "(exclude=[...])",
        )
    warnings.warn(
        f"{missing}: there is no such folder, for the component was left out of this pipeline "
        f"(`exclude`). It takes the weights that its config names, {source.weights!r}",
        stacklevel=3,
    )


def configure(model: Model[Any, Any], settings: ElmoSettings) -> None:
    """Set the settings. Those of a pipe's own language model are mostly the defaults."""
    get_shim(model).configure(settings)


def get_shim(model: Model[Any, Any]) -> BiLMShim:
    """The shim of a model made by `build_bilm_v1`."""
    return cast(BiLMShim, model.shims[0])


def check_model(model: Any, name: str) -> None:
    """Check that a model was made by `build_bilm_v1`.

    Raises:
        ValueError: For something else.
    """
    if not isinstance(model, Model) or not any(isinstance(s, BiLMShim) for s in model.shims):
        raise ValueError(
            f"component {name!r} needs a model made by the architecture spacy-elmo.BiLM.v1, "
            f"got {model!r}"
        )
