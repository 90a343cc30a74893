"""`nlp.rename_pipe` of the component: listeners that name it, and their configs, follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spacy_elmo.pipeline.listening.listener import ARCHITECTURE, ElmoListener
from spacy_elmo.pipeline.pipelines import pipelines_with


def follow_renaming(
    component: Any,
    before: str,
    after: str,
    listener_map: Mapping[str, Sequence[ElmoListener]],
) -> None:
    """Let the listeners of a component that has a new name go by that.

    A component that was sourced into another pipeline under another name has both names, one in
    each, and nothing changes for its listeners.

    Args:
        component: The component.
        before: Its name so far.
        after: Its name now.
        listener_map: Its listeners by the name of their pipe.
    """
    if not any(each.upstream_name == before for some in listener_map.values() for each in some):
        return
    pipelines = pipelines_with(component)
    if before in (name for _, name in pipelines):
        return
    for pipe_name, listeners in listener_map.items():
        for listener in listeners:
            if listener.upstream_name == before:
                listener.upstream_name = after
        for nlp, _ in pipelines:
            if pipe_name in nlp.component_names:
                for block in _blocks(nlp.get_pipe_config(pipe_name)):
                    if block.get("upstream") == before:
                        block["upstream"] = after


def _blocks(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The blocks of listeners in a config, however deep."""
    if config.get("@architectures") == ARCHITECTURE:
        yield config
    for value in config.values():
        if isinstance(value, dict):
            yield from _blocks(value)
