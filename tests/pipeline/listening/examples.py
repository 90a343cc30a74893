"""Pipelines in which pipes listen to `elmo`, and a few examples to train them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.training import Example

TAGGED = [
    ("The bank raised rates .", ["D", "N", "V", "N", "P"]),
    ("A river bank", ["D", "N", "N"]),
    ("They bank on it", ["R", "V", "I", "R"]),
    ("", []),
]


def listener(**settings: Any) -> dict[str, Any]:
    return {"@architectures": "spacy-elmo.ElmoListener.v1", **settings}


def tagger_config(**settings: Any) -> dict[str, Any]:
    model = {"@architectures": "spacy.Tagger.v2", "nO": None, "normalize": False}
    return {"model": {**model, "tok2vec": listener(**settings)}}


def make(
    weights: Path,
    *taggers: dict[str, Any],
    elmo: dict[str, Any] | None = None,
) -> tuple[Language, list[Example]]:
    """`elmo` and a tagger for each of the listeners' settings: tagger_0, tagger_1 ..."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, **(elmo or {})})
    for k, settings in enumerate(taggers):
        nlp.add_pipe("tagger", name=f"tagger_{k}", config=tagger_config(**settings))
    return nlp, tagged(nlp)


def tagged(nlp: Language) -> list[Example]:
    return [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in TAGGED]


def tags(nlp: Language) -> list[list[str]]:
    return [[token.tag_ for token in nlp(text)] for text, _ in TAGGED]


GOLD = [tags for _, tags in TAGGED]
