"""A pipeline of nothing but a tokenizer and static vectors."""

from __future__ import annotations

from collections.abc import Sequence

import spacy
from spacy.language import Language
from spacy.vectors import Vectors  # type: ignore[import-not-found]  # compiled, has no stubs

from spacy_elmo.types import Floats


def pipeline_with_vectors(lang: str, words: Sequence[str], vectors: Floats) -> Language:
    """A blank pipeline with vectors of some words.

    Args:
        lang: Its language.
        words: The words.
        vectors: *Shape:* (n_words, width).
    """
    nlp = spacy.blank(lang)
    keys = [nlp.vocab.strings.add(word) for word in words]
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings, data=vectors, keys=keys, name=f"{lang}_elmo_distilled"
    )
    return nlp
