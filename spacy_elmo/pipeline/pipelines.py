"""The pipelines that a component is a part of: spaCy tells it of none, and it may be in several."""

from __future__ import annotations

import gc
from typing import Any

from spacy.language import Language


def pipelines_with(component: Any) -> list[tuple[Language, str]]:
    """The pipelines that hold a component, one that it was sourced into among them.

    Goes through all objects of the process, some tenths of a second: for what happens now and then.

    Returns:
        Each pipeline, and the name of the component in it.
    """
    return [
        (nlp, name)
        for nlp in gc.get_objects()
        # By type: `isinstance` would ask proxies and lazy modules of others what they are.
        if issubclass(type(nlp), Language)
        for name, other in vars(nlp).get("_components", ())
        if other is component
    ]


def set_in_configs(component: Any, name: str, value: Any) -> None:
    """Make the configs of all pipelines with a component say what a setting of it is now."""
    for nlp, pipe_name in pipelines_with(component):
        nlp.get_pipe_config(pipe_name)[name] = value
