"""Where a pipeline finds sentences, and whether `elmo` gets to see them."""

from __future__ import annotations

import warnings
from typing import Any

from spacy.language import Language
from spacy.pipeline import DependencyParser, SentenceRecognizer, Sentencizer

FINDERS = (Sentencizer, SentenceRecognizer, DependencyParser)


def finds_sentences(component: Any) -> bool:
    """Whether a component sets the boundaries of sentences."""
    return isinstance(component, FINDERS)


def finders_before(nlp: Language, name: str) -> list[str]:
    """Names of the enabled components before another one that find sentences."""
    names = nlp.pipe_names
    before = names[: names.index(name)] if name in names else []
    return [each for each in before if finds_sentences(nlp.get_pipe(each))]


def warn_of_late_sentences(name: str, finder: str) -> None:
    """Say that sentences are found after a component has read the text as one."""
    warnings.warn(
        f"component {name!r} reads each text as one sentence: {finder!r}, which finds sentences, "
        f'stands after it. Add it before, nlp.add_pipe(..., before="{name}")',
        stacklevel=3,
    )


def warn_of_training_without_sentences(nlp: Language, name: str) -> None:
    """Say that in training a component will not see the sentences that it sees later on."""
    annotating = nlp.config["training"].get("annotating_components") or []
    missing = [each for each in finders_before(nlp, name) if each not in annotating]
    if missing:
        names = ", ".join(f'"{each}"' for each in [*annotating, *missing])
        warnings.warn(
            f"component {name!r} is trained on whole texts, and reads sentences afterwards: "
            f"{', '.join(map(repr, missing))} before it runs in training only if the config says "
            f"so. Set annotating_components = [{names}] in [training] (nlp.update takes them as "
            "`annotates`)",
            stacklevel=3,
        )
