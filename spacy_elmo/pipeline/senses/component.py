"""The `elmo_senses` component: labels the senses of words, learned from a few examples each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer

from spacy_elmo.pipeline.doc.handover import DocLayers
from spacy_elmo.pipeline.listening.listener import ARCHITECTURE, ElmoListener
from spacy_elmo.pipeline.pipelines import pipelines_with
from spacy_elmo.pipeline.senses.learned import Learned
from spacy_elmo.pipeline.senses.learning import (
    Reader,
    check_width,
    is_another,
    learn,
    pipes_before,
)
from spacy_elmo.pipeline.senses.saved import Saved
from spacy_elmo.pipeline.senses.scoring import score_senses
from spacy_elmo.pipeline.senses.settings import SensesSettings
from spacy_elmo.pipeline.senses.states import occurrence_states, top_edges
from spacy_elmo.pipeline.senses.words import Occurrence, Word, forms, occurrences
from spacy_elmo.types import Floats


class Labelled(NamedTuple):
    """An occurrence with its sense.

    Attributes:
        start: Its first token.
        end: The token after its last.
        sense: The sense.
        score: The classifier's for this sense.
    """

    start: int
    end: int
    sense: str
    score: float


class ElmoSenses(Saved, TrainablePipe):  # type: ignore[misc]
    """Labels each occurrence of a known word with its sense, in `doc.spans[spans_key]`.

    It learns in `initialize`, at once, and more with `add`. Words that it does not know are left
    alone.

    Args:
        vocab: That of the pipeline.
        model: A `spacy-elmo.ElmoListener.v1` without projection: it gets the layers of the `elmo`
            component by it. Its mix is not used.
        name: Name of the component in the pipeline.
        settings: What the config says.

    Attributes:
        settings: What the config says.
        learned: What has been learned, or None.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Any, Any],
        name: str = "elmo_senses",
        settings: SensesSettings | None = None,
    ) -> None:
        if not isinstance(model, ElmoListener):
            raise ValueError(
                f"component {name!r} needs a model made by the architecture {ARCHITECTURE} without "
                f"projection, got {model!r}"
            )
        self.vocab = vocab
        self.model = model
        self.name = name
        self.settings = SensesSettings() if settings is None else settings
        self.cfg = None  # the config alone says what the settings are
        self.learned = None
        model.learns = False
        model.pipe_name = name

    @property
    def key(self) -> str:
        """Of the span group."""
        return self.settings.spans_key

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all senses, sorted."""
        return () if self.learned is None else self.learned.senses

    @property
    def words(self) -> dict[str, dict[str, int]]:
        """The words it knows, and how many examples of each of their senses."""
        if self.learned is None:
            return {}
        return {
            " ".join(word): dict(zip(senses.names, senses.counts.tolist(), strict=True))
            for word, senses in self.learned.words.items()
        }

    # Prediction

    def predict(self, docs: Iterable[Doc]) -> list[list[Labelled]]:
        """The senses of the known words of Docs, without changing them.

        Raises:
            ValueError: When nothing has been learned yet, or with a language model of another
                width; and when no `elmo` component stands before this one.
        """
        docs = list(docs)
        learned = self._required()
        # Asked for all of them: layers wait for this component until it does.
        layers = self.model.layers_for(docs, False)[0]
        places = [occurrences(forms(doc, learned.attr), learned.words) for doc in docs]
        by_word: dict[Word, list[tuple[int, Occurrence, Floats]]] = {}
        for number, (of_doc, found) in enumerate(zip(layers, places, strict=True)):
            if found:
                self._check(learned, of_doc)
                states = occurrence_states(self.model.ops, of_doc, [each[:2] for each in found])
                for place, row in zip(found, states, strict=True):
                    by_word.setdefault(place.word, []).append((number, place, row))
        labelled: list[list[Labelled]] = [[] for _ in docs]
        kind = self.settings.classifier, self.settings.view
        for word, rows in by_word.items():
            states = np.stack([row for _, _, row in rows])
            senses = learned.words[word].label(states, learned.mean, *kind)
            for (number, place, _), (sense, score) in zip(rows, senses, strict=True):
                labelled[number].append(Labelled(place.start, place.end, sense, score))
        return [sorted(found) for found in labelled]

    def set_annotations(self, docs: Iterable[Doc], found: Iterable[Sequence[Labelled]]) -> None:
        """Put what `predict` gave on the Docs, in place of what is there.

        The scores are the group's `attrs["scores"]`, as those of `spancat`.
        """
        for doc, labelled in zip(docs, found, strict=True):
            spans = [Span(doc, each.start, each.end, label=each.sense) for each in labelled]
            group = SpanGroup(doc, name=self.key, spans=spans)
            group.attrs["scores"] = np.array([each.score for each in labelled], dtype=np.float32)
            doc.spans[self.key] = group

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Scores of the senses, see `score_senses`."""
        examples = list(examples)
        validate_examples(examples, "ElmoSenses.score")
        return score_senses(examples, self.key)

    # Learning

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Learn from all labelled occurrences, and from nothing else: what was known is forgotten.

        The language model reads the texts here. The components before it that need no training, or
        are in `training.frozen_components`, run first: those that find sentences, say.

        Args:
            get_examples: Gives the examples; gold are the spans of `reference.spans[spans_key]`.
            nlp: The pipeline.

        Raises:
            ValueError: When no example has such a span, or one has no label.
        """
        validate_get_examples(get_examples, "ElmoSenses.initialize")
        pipes = [] if nlp is None else pipes_before(nlp, self, trained=False)
        upstream = self.model.upstreams.last
        if upstream is not None and not upstream.frozen and not self.model.layers:
            warnings.warn(
                f"component {self.name!r} learns from the language model of {upstream.name!r} as "
                "it is now, and that one is to be trained (frozen = false): once it is, initialise "
                f"{self.name!r} anew, or leave it out of the pipeline until then",
                stacklevel=2,
            )
        self.model.initialize()
        self.learned = learn(self._reader(pipes), get_examples(), None)
        self._is_warned = False

    def add(self, examples: Iterable[Example]) -> None:
        """Learn more: of words and senses that are known, or new. Nothing is forgotten.

        All components before this one run on the texts first. When something is wrong with an
        example, nothing has been learned.

        Args:
            examples: The examples; gold are the spans of `reference.spans[spans_key]`.

        Raises:
            ValueError: When no example has such a span, or one has no label; and when another
                language model reads than the one that was learned with.
        """
        examples = list(examples)
        validate_examples(examples, "ElmoSenses.add")
        pipes: list[Any] = []
        for nlp, _ in pipelines_with(self):
            if nlp.vocab is self.vocab:
                pipes = pipes_before(nlp, self, trained=True)
        self.learned = learn(self._reader(pipes), examples, self.learned)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """There is nothing to learn step by step: `initialize` has learned all. The loss is 0."""
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Nothing has been updated."""

    def get_loss(self, examples: Iterable[Example], scores: Any) -> tuple[float, float]:
        """There is none."""
        return 0.0, 0.0

    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Averages of parameters do not concern it."""
        yield

    def _reader(self, pipes: Sequence[Any]) -> Reader:
        return Reader(self.name, self.model, self.key, self.settings.attr, pipes)

    def _required(self) -> Learned:
        if self.learned is None:
            raise ValueError(
                f"component {self.name!r} has learned no senses yet: give it examples with "
                f"labelled spans in doc.spans[{self.key!r}], with nlp.initialize(get_examples), "
                f"`spacy train`, or nlp.get_pipe({self.name!r}).add(examples)"
            )
        return self.learned

    def _check(self, learned: Learned, layers: DocLayers) -> None:
        """Check that the language model is the one that was learned with."""
        edges = top_edges(self.model.ops, layers)
        check_width(self.name, learned, len(edges))
        if is_another(learned, edges) and not self._is_warned:
            self._is_warned = True
            warnings.warn(
                f"component {self.name!r} learned its senses with another language model than the "
                "one that reads now, or with its weights before a training: initialise it anew, or "
                "give the pipeline the weights of then",
                stacklevel=4,
            )
