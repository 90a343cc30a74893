"""The pipelines that a component is a part of: spaCy tells it of none, and it may be in several."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

from spacy.language import Language
from spacy.vocab import Vocab


def pipelines() -> Iterator[Language]:
    """All pipelines of the process.

    Goes through all of its objects, some tenths of a second: for what happens now and then.
    """
    for each in gc.get_objects():
        # By type: `isinstance` would ask proxies and lazy modules of others what they are.
        if issubclass(type(each), Language) and "_components" in vars(each):
            yield each


def pipelines_with(component: Any) -> list[tuple[Language, str]]:
    """The pipelines that hold a component, one that it was sourced into among them.

    Returns:
        Each pipeline, and the name of the component in it.
    """
    return [
        (nlp, name) for nlp in pipelines() for name, other in nlp.components if other is component
    ]


def is_missing(component: Any, vocab: Vocab) -> bool:
    """Whether there are pipelines with a vocabulary, and none of them holds a component."""
    holders: list[bool] = [
        any(other is component for _, other in nlp.components)
        for nlp in pipelines()
        if nlp.vocab is vocab
    ]
    return bool(holders) and not any(holders)


def set_in_configs(component: Any, name: str, value: Any) -> None:
    """Make the configs of all pipelines with a component say what a setting of it is now."""
    for nlp, pipe_name in pipelines_with(component):
        nlp.get_pipe_config(pipe_name)[name] = value
