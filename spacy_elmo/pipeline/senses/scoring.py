"""How well senses were labelled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example


def score_senses(examples: Iterable[Example], key: str) -> dict[str, Any]:
    """The scores of a span group of senses.

    Args:
        examples: With gold spans in their references, predicted ones in their predictions.
        key: Of the span group.

    Returns:
        spaCy's scores of labelled spans, `spans_{key}_p`, `_r`, `_f` and `_per_type`, for which a
        sense where the gold has none is wrong; and `spans_{key}_acc`: of the gold occurrences that
        were given a sense, the share that was given the right one. None where there is none.
    """
    examples = list(examples)
    attr = f"spans_{key}"
    scores: dict[str, Any] = Scorer.score_spans(
        examples,
        attr=attr,
        getter=lambda doc, _: _spans(doc, key),
        has_annotation=lambda doc: key in doc.spans,
        allow_overlap=True,
    )
    n_given = n_right = 0
    for example in examples:
        aligned = example.get_aligned_spans_x2y(_spans(example.predicted, key), allow_overlap=True)
        given: dict[tuple[int, int], set[str]] = {}
        for span in aligned:
            given.setdefault((span.start, span.end), set()).add(span.label_)
        for gold in _spans(example.reference, key):
            senses = given.get((gold.start, gold.end))
            n_given += senses is not None
            n_right += senses is not None and gold.label_ in senses
    scores[f"{attr}_acc"] = n_right / n_given if n_given else None
    return scores


def _spans(doc: Doc, key: str) -> list[Span]:
    return list(doc.spans[key]) if key in doc.spans else []
