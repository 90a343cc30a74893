"""The `elmo` component: runs the language model over Docs and puts its vectors on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_elmo.bilm.inference.windows import WINDOW_FLOATS
from spacy_elmo.pipeline import hooks
from spacy_elmo.pipeline.doc import attributes, storage
from spacy_elmo.pipeline.doc.sentences import sentence_numbers
from spacy_elmo.pipeline.doc.storage import Floats
from spacy_elmo.pipeline.listening.listener import replace_listener, replace_listener_cfg
from spacy_elmo.pipeline.listening.upstream import Feeding
from spacy_elmo.pipeline.model.bilm import (
    BiLMModel,
    check_model,
    encode_layers,
    encode_vectors,
    get_shim,
    load,
)
from spacy_elmo.pipeline.model.layer_cache import LayerCache
from spacy_elmo.pipeline.model.source import Source


class Prediction(NamedTuple):
    """What the language model says about a Doc.

    vectors: Mixed vectors. *Shape:* (n_tokens, width).
    layers: All layers, where they were asked for. *Shape:* (n_layers, n_tokens, width).
    """

    vectors: Floats
    layers: Floats | None


class Elmo(Feeding, TrainablePipe):  # type: ignore[misc]
    """Puts contextual vectors on tokens; see `component.make_elmo` for the arguments.

    Downstream pipes may listen to the language model with `spacy-elmo.ElmoListener.v1`.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: BiLMModel,
        name: str = "elmo",
        *,
        frozen: bool = True,
        keep_layers: bool = False,
        attribute: str = "elmo",
        set_tensor: bool = False,
        set_hooks: bool = False,
        center_similarity: bool = True,
        learn_rate_factor: float = 1.0,
        batch_tokens: int | None = None,
        type_cache_size: int | None = None,
        precision: str = "float32",
        cache: str | None = None,
        cache_gb: float = 4.0,
        cache_half: bool = False,
        device: str | None = None,
    ) -> None:
        check_model(model, name)
        _check_at_least("batch_tokens", batch_tokens, 1, name)
        _check_at_least("type_cache_size", type_cache_size, 0, name)
        _check_at_least("learn_rate_factor", learn_rate_factor, 0, name)
        attributes.register(attribute)
        self.vocab = vocab
        self.model = model
        self.name = name
        # What stands in cfg is saved, and would come back over what the config says at load.
        self.cfg = None
        self.keep_layers = keep_layers
        self.attribute = attribute
        self.set_tensor = set_tensor
        self.set_hooks = set_hooks
        self.center_similarity = center_similarity
        self.start_feeding()
        layer_cache = None
        if cache is not None:
            layer_cache = LayerCache(cache, int(cache_gb * 1e9), half=cache_half)
        get_shim(model).configure(
            frozen=frozen,
            learn_rate_factor=learn_rate_factor,
            type_cache_size=type_cache_size,
            batch_tokens=batch_tokens,
            precision=precision,
            cache=layer_cache,
            device=device,
        )
        model.attrs["replace_listener"] = replace_listener
        model.attrs["replace_listener_cfg"] = partial(
            replace_listener_cfg, frozen=frozen, learn_rate_factor=learn_rate_factor
        )

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Run the language model over Docs, without changing them."""
        self.settle()
        docs = list(docs)
        if not self.keep_layers and not self.listeners:
            return [Prediction(vectors, None) for vectors in encode_vectors(self.model, docs)]
        weights = get_shim(self.model).mix_weights
        return [
            Prediction(np.tensordot(weights, layers, axes=1), layers)
            for layers in encode_layers(self.model, docs)
        ]

    def set_annotations(self, docs: Iterable[Doc], predictions: Iterable[Prediction]) -> None:
        """Put the predictions on the Docs."""
        mean = self._mean() if self.center_similarity else None
        for doc, (vectors, layers) in zip(docs, predictions, strict=True):
            kept = layers if self.keep_layers else None
            read = sentence_numbers(doc).astype(np.int32)
            rows = storage.write(doc, self.attribute, vectors, read, layers=kept, mean=mean)
            if layers is not None and self.listeners:
                self.passing.put(doc, rows, layers, self.listeners)
            if self.set_tensor:
                doc.tensor = cast(Any, self.model.ops).asarray2f(vectors.copy())
            if self.set_hooks:
                hooks.set_hooks(doc, attribute=self.attribute)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Run the component over a stream of Docs, in order.

        All sentences of as many Docs as the token budget allows, and at most `batch_size`, are
        sorted by length and run together. A Doc that fails goes to the error handler alone.
        """
        handle_error = self.get_error_handler()
        for docs in self._windows(stream, batch_size):
            yield from self._annotated(docs, handle_error)

    def _annotated(self, docs: list[Doc], handle_error: Callable[..., Any]) -> list[Doc]:
        try:
            self.set_annotations(docs, self.predict(docs))
        except Exception as error:  # whatever it is, spaCy's error handler decides
            if len(docs) == 1:
                handle_error(self.name, self, docs, error)
                return []
            # One bad Doc must not take its neighbours along.
            return [good for doc in docs for good in self._annotated([doc], handle_error)]
        return docs

    def _windows(self, stream: Iterable[Doc], batch_size: int) -> Iterator[list[Doc]]:
        window: list[Doc] = []
        n_tokens = 0
        budget: int | None = None
        for doc in stream:
            # Loads the weights: if there are none, that is no bad Doc's fault.
            budget = self._budget() if budget is None else budget
            if window and (len(window) >= batch_size or n_tokens + len(doc) > budget):
                yield window
                window, n_tokens = [], 0
            window.append(doc)
            n_tokens += len(doc)
        if window:
            yield window

    def _budget(self) -> int:
        shim = get_shim(self.model)
        if shim.batch_tokens is not None:
            return shim.batch_tokens
        config = shim.lm.config
        return max(1, WINDOW_FLOATS // (config.n_outputs * config.width))

    def _mean(self) -> Floats | None:
        shim = get_shim(self.model)
        if shim.lm.mean_layers is None:
            return None
        mean: Floats = shim.mix_weights @ shim.lm.mean_layers.cpu().numpy()
        return mean

    # Initialisation and files

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]] | None = None,
        *,
        nlp: Language | None = None,
        weights: str | None = None,
        options: str | None = None,
        vocab: str | None = None,
    ) -> None:
        """Load the weights. Needs no examples.

        Weights that are there already are loaded anew if their source still exists, and otherwise
        kept: those of a saved pipeline, whose source stayed behind.

        weights, options, vocab: Load these instead of what the model's config names.

        Raises WeightsError, a ValueError, when there is nothing to load, or it is damaged.
        """
        shim = get_shim(self.model)
        if weights is not None:
            state = shim.source.initial_state
            shim.reload(Source(weights, options, vocab, state))
        elif options is not None or vocab is not None:
            raise ValueError(
                f"[initialize.components.{self.name}] gives options or vocab without weights: give "
                f"all three there, or all in [components.{self.name}.model]"
            )
        elif not shim.is_loaded or shim.source.exists():
            shim.reload()
        load(self.model)
        # Now that the width is known, listeners can be told, before their pipes are initialised.
        for listener in self.listeners:
            listener.set_sizes(*listener.link.sizes(listener))

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save to a directory: the weights as a native directory `model`. Loads them first if that
        has not happened yet.

        exclude: What to leave out: "model", "vocab".
        """
        self.finish_gradients()
        writers = {
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
            "model": lambda p: get_shim(self.model).to_disk(p),
        }
        util.to_disk(path, writers, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Elmo:
        """Load from a directory that `to_disk` wrote.

        Raises WeightsError, a ValueError, for damaged or missing weights.
        """

        def read_model(model_path: Path) -> None:
            get_shim(self.model).from_disk(model_path)
            load(self.model)

        readers: dict[str, Callable[[Path], Any]] = {
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
            "model": read_model,
        }
        util.from_disk(path, readers, exclude)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The component as bytes; loads the weights first if that has not happened yet."""
        self.finish_gradients()
        load(self.model)
        data: bytes = super().to_bytes(exclude=exclude)
        return data

    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Use other parameter values, averages for instance, until the generator goes on."""
        self.finish_gradients()
        with self.model.use_params(params):
            yield

    def get_loss(self, examples: Iterable[Example], scores: Any) -> None:
        """There is none: the language model learns what its listeners ask for."""

    def add_label(self, label: str) -> int:
        """Raises NotImplementedError: there are no labels."""
        raise NotImplementedError(f"component {self.name!r} makes vectors and has no labels")


def _check_at_least(option: str, value: float | None, least: int, name: str) -> None:
    if value is not None and value < least:
        raise ValueError(f"component {name!r}: {option} is {value}, expected at least {least}")
