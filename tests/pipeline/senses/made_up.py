"""Labelled occurrences whose senses the words around them tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spacy.language import Language
from spacy.training import Example

RIVER, MONEY = "river", "money"
TEXTS = [
    ("They sat on the river bank .", RIVER),
    ("The bank raised its rates .", MONEY),
    ("He fished from the bank of the stream .", RIVER),
    ("She works at a bank in town .", MONEY),
    ("We walked along the bank .", RIVER),
]


def example(
    nlp: Language, text: str, sense: str, word: str = "bank", key: str = "senses"
) -> Example:
    """A text with one labelled occurrence, the first."""
    start = text.lower().index(word)
    gold = {"spans": {key: [(start, start + len(word), sense)]}}
    return Example.from_dict(nlp.make_doc(text), gold)


def examples(nlp: Language, texts: Iterable[tuple[str, str]] = TEXTS) -> list[Example]:
    """All texts about banks."""
    return [example(nlp, text, sense) for text, sense in texts]


def found(nlp: Language, text: str, key: str = "senses") -> Sequence[tuple[str, int, str]]:
    """What is labelled in a text: the text of each span, its first token, its label."""
    doc = nlp(text)
    return [(span.text, span.start, span.label_) for span in doc.spans[key]]
