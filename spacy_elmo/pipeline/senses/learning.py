"""From the examples of a corpus to what is learned of them."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example as Annotated

from spacy_elmo.pipeline.doc.windows import doc_windows
from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.senses.learned import Example, Learned
from spacy_elmo.pipeline.senses.states import occurrence_states, top_edges, top_mean, top_states
from spacy_elmo.pipeline.senses.words import Word, forms
from spacy_elmo.types import Floats

# Of the norm: more than what lower precision does (0.4 %), less than other weights.
_DRIFT = 0.05
# Docs whose layers are in memory at once.
MAX_DOCS = 128
MAX_TOKENS = 8192


class Reader(NamedTuple):
    """How texts are read to learn from them.

    Attributes:
        name: The component's, for messages.
        listener: Gives the layers.
        key: Of the span group with the senses.
        attr: What stands for a token in a word.
        pipes: Components that run before, in order.
    """

    name: str
    listener: ElmoListener
    key: str
    attr: str
    pipes: Sequence[Any] = ()


class Place(NamedTuple):
    """A labelled place in a Doc."""

    start: int
    end: int
    word: Word
    sense: str


def learn(reader: Reader, examples: Iterable[Annotated], known: Learned | None) -> Learned:
    """Read the texts with labelled occurrences.

    A text is read as it will be later: its tokens are those of `predicted`, its sentences those
    that the pipes find; the labels are those of `reference`. Labels that do not stand on whole
    tokens are left out, and a warning says how many.

    Args:
        reader: How.
        examples: The examples.
        known: What has been learned before, which is kept; None: nothing.

    Returns:
        What is known now.

    Raises:
        ValueError: When there is no labelled occurrence, one has no label, or the language model is
            none that fits what was learned before.
    """
    found: list[Example] = []
    mean = known.mean if known else top_mean(reader.listener)
    edges = known.edges if known else None
    total: Any = 0.0
    n_words = 0
    n_missed = [0]
    for docs, places in _windows(reader, examples, n_missed):
        layers = reader.listener.layers_for(docs, False)[0]
        for doc, of_doc in zip(layers, places, strict=True):
            if known is not None:
                _check_same(reader.name, known, top_edges(reader.listener.ops, doc))
            ops = reader.listener.ops
            edges = top_edges(ops, doc) if edges is None else edges
            states = occurrence_states(ops, doc, [(each.start, each.end) for each in of_doc])
            found += [
                Example(place.word, place.sense, row)
                for place, row in zip(of_doc, states, strict=True)
            ]
            top = top_states(ops, doc)[doc.sentences >= 0]
            total = total + top.sum(axis=0, dtype=np.float64)
            n_words += len(top)
            if not (np.isfinite(states).all() and np.isfinite(edges).all()):
                raise ValueError(
                    f"component {reader.name!r} cannot learn: the language model gives states that "
                    "are no finite numbers. Its weights are damaged, or too large for its precision"
                )
    if n_missed[0]:
        warnings.warn(
            f"component {reader.name!r} leaves out {n_missed[0]} of the occurrences in "
            f"doc.spans[{reader.key!r}], whose ends are not those of tokens of this pipeline",
            stacklevel=3,
        )
    if not found or edges is None:
        raise ValueError(
            f"component {reader.name!r} has nothing to learn from: no example has a span in "
            f"doc.spans[{reader.key!r}] (of its reference) that stands on whole tokens. A span "
            "there is an occurrence of a word, and its label the sense"
        )
    if mean is None:  # the weights carry none: that of the texts
        mean = (total / n_words).astype(np.float32)
    if not np.isfinite(mean).all():
        raise ValueError(
            f"component {reader.name!r} cannot learn: the mean of the language model's states is "
            "no finite number"
        )
    before = Learned(reader.attr, mean, edges) if known is None else known
    return before.with_examples(found)


def pipes_before(nlp: Language, component: Any, *, trained: bool) -> list[Any]:
    """The components before another one, in order, that say now what they will say later.

    Args:
        nlp: The pipeline.
        component: The component.
        trained: Whether all of them do; else those that are yet to be trained are left out.
    """
    frozen = nlp.config["training"].get("frozen_components") or []
    found: list[Any] = []
    for name, pipe in nlp.pipeline:
        if pipe is component:
            return found
        if trained or name in frozen or not getattr(pipe, "is_trainable", False):
            found.append(pipe)
    return []


def check_width(name: str, learned: Learned, width: int) -> None:
    """Check that the language model gives states of the width that was learned with.

    Raises:
        ValueError: When it does not.
    """
    if len(learned.mean) != width:
        raise ValueError(
            f"component {name!r} learned its senses with a language model of width "
            f"{len(learned.mean)}, but this one's is {width}: give the pipeline the weights of "
            "then, or initialise the component anew"
        )


def is_another(learned: Learned, edges: Floats) -> bool:
    """Whether states at the ends of sentences tell of another language model of the same width.

    Args:
        learned: What has been learned.
        edges: As `top_edges` gives them. *Shape:* (width,).
    """
    distance = float(np.linalg.norm(edges - learned.edges))
    return distance > _DRIFT * float(np.linalg.norm(learned.edges))


def _check_same(name: str, known: Learned, edges: Floats) -> None:
    check_width(name, known, len(edges))
    if is_another(known, edges):
        raise ValueError(
            f"component {name!r} learned its senses with another language model, or with its "
            "weights before a training: states of two cannot be compared. Give the pipeline the "
            "weights of then, or initialise the component anew with all examples"
        )


def _windows(
    reader: Reader, examples: Iterable[Annotated], n_missed: list[int]
) -> Iterator[tuple[list[Doc], list[list[Place]]]]:
    """Texts with labels, as the pipes leave them, and the places of these."""
    references: deque[Doc] = deque()

    def labelled() -> Iterator[Doc]:
        for example in examples:
            if example.reference.spans.get(reader.key):
                doc = example.predicted.copy() if reader.pipes else example.predicted
                references.append(example.reference)
                yield doc

    for window in doc_windows(labelled(), MAX_DOCS, lambda: MAX_TOKENS):
        golds = [references.popleft() for _ in window]
        docs = window
        for pipe in reader.pipes:
            docs = list(pipe.pipe(docs)) if hasattr(pipe, "pipe") else [pipe(doc) for doc in docs]
        if len(docs) < len(golds):
            raise ValueError(
                f"component {reader.name!r} cannot learn from texts on which a component before it "
                "fails: mend that, or leave these texts out"
            )
        yield (
            docs,
            [_places(reader, *pair, n_missed) for pair in zip(docs, golds, strict=True)],
        )


def _places(reader: Reader, doc: Doc, reference: Doc, n_missed: list[int]) -> list[Place]:
    found = []
    aligned = Annotated(doc, reference)
    for span in reference.spans[reader.key]:
        if not span.label_:
            raise ValueError(
                f"component {reader.name!r}: {span.text!r} in {reference.text[:40]!r} stands in "
                f"doc.spans[{reader.key!r}] without a label: its label is its sense"
            )
        here = aligned.get_aligned_spans_y2x([span], allow_overlap=True)
        if len(here) != 1 or not _same(here[0], span):
            n_missed[0] += 1
            continue
        (place,) = here
        found.append(Place(place.start, place.end, tuple(forms(place, reader.attr)), span.label_))
    return found


def _same(span: Span, other: Span) -> bool:
    return "".join(span.text.split()) == "".join(other.text.split()) != ""
