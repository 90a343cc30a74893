"""The `elmo` component: runs the language model over Docs and puts its vectors on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Optimizer

from spacy_elmo.pipeline import hooks
from spacy_elmo.pipeline.doc import attributes, storage
from spacy_elmo.pipeline.doc.substitutes import note_reader, register_predictor
from spacy_elmo.pipeline.doc.windows import doc_windows
from spacy_elmo.pipeline.licences import note_licences
from spacy_elmo.pipeline.listening.listened import ListenedTo
from spacy_elmo.pipeline.listening.replace import replace_listener, replace_listener_cfg
from spacy_elmo.pipeline.listening.shared import SharedBiLM
from spacy_elmo.pipeline.model.bilm import (
    BiLMModel,
    check_model,
    configure,
    from_disk,
    get_shim,
    load,
    reload,
    run,
    to_disk,
    use_source,
)
from spacy_elmo.pipeline.model.outputs import Output
from spacy_elmo.pipeline.pipelines import set_in_configs
from spacy_elmo.pipeline.predicting import Predicting
from spacy_elmo.pipeline.sentence_order import warn_of_training_without_sentences
from spacy_elmo.pipeline.settings import ElmoSettings
from spacy_elmo.types import Floats


class Elmo(ListenedTo, Predicting, TrainablePipe):  # type: ignore[misc]
    """Puts contextual vectors on tokens.

    Downstream pipes may listen to the language model with `spacy-elmo.ElmoListener.v1`; what
    spaCy and these listeners ask of it is done by its `SharedBiLM`.

    Args:
        vocab: That of the pipeline.
        model: The language model, `spacy-elmo.BiLM.v1`.
        name: Name of the component in the pipeline.
        settings: What the config says.

    Attributes:
        settings: What the config says.
        shared: The language model as the listeners share it.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: BiLMModel,
        name: str = "elmo",
        settings: ElmoSettings | None = None,
    ) -> None:
        check_model(model, name)
        settings = ElmoSettings() if settings is None else settings
        attributes.register_attributes(settings.attribute)
        self.vocab = vocab
        self.model = model
        self.shared = SharedBiLM(model, settings.attribute)
        self.name = name
        # What stands in cfg is saved, and would come back over what the config says at load.
        self.cfg = None
        get_shim(model).is_component = True
        get_shim(model).language = vocab.lang
        model.attrs["replace_listener"] = replace_listener
        self._configure(settings)
        register_predictor(self)

    def _configure(self, settings: ElmoSettings) -> None:
        configure(self.model, settings)
        self.settings = settings
        self.model.attrs["replace_listener_cfg"] = partial(
            replace_listener_cfg,
            frozen=settings.frozen,
            learn_rate_factor=settings.learn_rate_factor,
            token_attr=settings.token_attr,
        )

    @property
    def mean_vector(self) -> Floats | None:
        """What centred similarity subtracts: the mean of the vectors over running text.

        None where the weights carry none. Loads the weights if that has not happened yet.
        *Shape:* (width,).
        """
        mean = load(self.model).mean
        if mean is not None:
            mean.flags.writeable = False
        return mean

    def __repr__(self) -> str:
        shim = get_shim(self.model)
        parts = [str(shim.source.weights)]
        if shim.is_loaded:
            parts.append(f"{shim.loaded.n_layers} layers of width {shim.loaded.width}")
        else:
            parts.append("not loaded yet")
        parts.append("frozen" if self.frozen else "not frozen")
        if self.listening_components:
            parts.append(f"listened to by {', '.join(self.listening_components)}")
        return f"<{type(self).__name__} {self.name!r}: {', '.join(parts)}>"

    @property
    def frozen(self) -> bool:
        """Whether training leaves the language model as it is.

        May be set at any time, between two updates: the next one goes by it, and so does the config
        of the pipeline, so that a saved one agrees.
        """
        return self.settings.frozen

    @frozen.setter
    def frozen(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"frozen is {value!r}: expected True or False")
        if value == self.settings.frozen:
            return
        self.shared.close()
        self._configure(replace(self.settings, frozen=value))
        set_in_configs(self, "frozen", value)

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> list[Output]:
        """Run the language model over Docs, without changing them."""
        self.shared.settle()
        layers = self.settings.keep_layers or bool(self.listeners)
        outputs, _ = run(self.model, list(docs), layers=layers, around=True)
        return outputs

    def set_annotations(self, docs: Iterable[Doc], outputs: Iterable[Output]) -> None:
        """Put what `predict` gave on the Docs."""
        settings = self.settings
        register_predictor(self)  # a copy of a component is made without `__init__`
        means = load(self.model).means
        for doc, output in zip(docs, outputs, strict=True):
            vectors, layers, sentences, edges, around = output
            kept = layers if settings.keep_layers else None
            read = sentences.astype(np.int32)
            items = {"layers": kept, **means, **around._asdict()}
            rows = storage.write(doc, self.attribute, vectors, read, **items)
            if settings.context:
                note_reader(doc, self)
            if len(doc.user_data) > 1:  # what another component left on a Doc that was cut since
                storage.trim(doc)
            if layers is not None:
                self.shared.hand_over(doc, rows, layers, edges)
            if settings.set_tensor:
                doc.tensor = cast(Any, self.model.ops).asarray2f(vectors.copy())
            if settings.set_hooks:
                hooks.set_hooks(doc, attribute=self.attribute)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Run the component over a stream of Docs, in order.

        All sentences of as many Docs as the token budget allows, and at most `batch_size`, are
        sorted by length and run together. A Doc that fails goes to the error handler alone.
        """
        handle_error = self.get_error_handler()
        # Loads the weights: if there are none, that is no bad Doc's fault.
        for docs in doc_windows(stream, batch_size, lambda: load(self.model).token_budget):
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

    # Training

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Run the language model for the listeners.

        Their gradients come back later, unless it is frozen. The loss is the sum of their squares.

        Args:
            examples: The batch.
            drop: Not used: a listener has the dropout of its own pipe.
            sgd: The optimizer, whose step is taken when the gradients have come.
            losses: Where the loss is added up.

        Returns:
            The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "Elmo.update")
        self.shared.update([example.predicted for example in examples], self.name, losses)
        if sgd:
            self.finish_update(sgd)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights with the gradients that have come, or if none has, when they have."""
        self.shared.finish_update(sgd)

    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Use other parameter values, averages for instance, until the generator goes on.

        Not for use beside other threads: they would compute with a part of these and a part of
        those. Whoever serves texts from threads loads a pipeline of its own for it.
        """
        self.shared.finish()
        with self.model.use_params(params):
            yield

    def get_loss(self, examples: Iterable[Example], scores: Any) -> None:
        """There is none: the language model learns what its listeners ask for."""

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

        Args:
            get_examples: Not used.
            nlp: The pipeline; its pipes that are initialised with it start with a new mix.
            weights: Load these instead of what the model's config names.
            options: Their options file.
            vocab: Their vocabulary.

        Raises:
            WeightsError: When there is nothing to load, or it is damaged.
            ValueError: For options or a vocabulary without weights.
        """
        if weights is None and (options is not None or vocab is not None):
            raise ValueError(
                f"[initialize.components.{self.name}] gives options or vocab without weights: give "
                f"all three there, or all in [components.{self.name}.model]"
            )
        reload(self.model, weights, options, vocab)
        if nlp is not None:
            shim = get_shim(self.model)
            note_licences(nlp, self.name, shim.source.weights, shim.papers)
            if any(listener.learns for listener in self.listeners):
                warn_of_training_without_sentences(nlp, self.name)
        # Now that the width is known, listeners can be told, before their pipes are initialised.
        for pipe_name, listeners in self.listener_map.items():
            starts_anew = nlp is not None and pipe_name in nlp.pipe_names
            for listener in listeners:
                if starts_anew:
                    listener.restart()
                else:
                    listener.fit()

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save to a directory: the weights as a native directory `model`.

        Loads them first if that has not happened yet.

        Args:
            path: The directory.
            exclude: What to leave out: "model", "vocab".
        """
        self.shared.finish()
        writers = {
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
            "model": lambda p: to_disk(self.model, p),
        }
        util.to_disk(path, writers, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Elmo:
        """Load from a directory that `to_disk` wrote.

        Where there is none, because the component was left out of a saved pipeline, the weights
        that the config names are used, and a warning says so.

        Raises:
            WeightsError: For damaged or missing weights.
        """
        if not Path(path).exists() and "model" not in exclude:
            use_source(self.model, Path(path))
            return self
        readers: dict[str, Callable[[Path], Any]] = {
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
            "model": lambda p: from_disk(self.model, p),
        }
        util.from_disk(path, readers, exclude)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The component as bytes; loads the weights first if that has not happened yet."""
        self.shared.finish()
        load(self.model)
        data: bytes = super().to_bytes(exclude=exclude)
        return data
