"""`nlp.replace_listeners`: listeners with a language model of their own."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from thinc.api import Model

from spacy_elmo.pipeline.listening.listener import ARCHITECTURE, ElmoListener
from spacy_elmo.pipeline.model.bilm import configure
from spacy_elmo.pipeline.settings import ElmoSettings


def replace_listener(bilm: Model[Any, Any], listener: ElmoListener, upstream: Any) -> ElmoListener:
    """The same listener with a language model of its own.

    That one computes in float32 and has bounds of memory by size.

    Args:
        bilm: The copy for it.
        listener: The listener, which is left as it is.
        upstream: The component it listened to.
    """
    own: ElmoListener = listener.copy()
    own.upstreams.clear()
    theirs: ElmoSettings = upstream.settings
    settings = ElmoSettings(
        frozen=theirs.frozen,
        learn_rate_factor=theirs.learn_rate_factor,
        token_attr=theirs.token_attr,
    )
    configure(bilm, settings)
    own.layers.append(bilm)
    return own


def replace_listener_cfg(
    bilm: dict[str, Any],
    listener: dict[str, Any],
    *,
    frozen: bool,
    learn_rate_factor: float,
    token_attr: str,
) -> dict[str, Any]:
    """The config that makes what `replace_listener` gives.

    Args:
        bilm: That of the language model.
        listener: The pipe's `tok2vec`, which is the listener or holds it: spaCy hands over that one
            wherever the listener stands.
        frozen: As that of the component.
        learn_rate_factor: Likewise.
        token_attr: Likewise.

    Raises:
        ValueError: When it holds none, or several that differ in more than whom they listen to.
    """
    blocks = list(_listener_blocks(listener))
    if not blocks:
        raise ValueError(
            f"the tok2vec of this pipe, {listener.get('@architectures')}, has no block of "
            f"{ARCHITECTURE} in its config: only one that stands there can be replaced"
        )
    if any({**block, "upstream": ""} != {**blocks[0], "upstream": ""} for block in blocks):
        raise ValueError(
            "this pipe has listeners with different settings, and spaCy does not say which of "
            "them to replace: give each the same settings"
        )
    return {
        **blocks[0],
        "bilm": copy.deepcopy(bilm),
        "frozen": frozen,
        "learn_rate_factor": learn_rate_factor,
        "token_attr": token_attr,
    }


def _listener_blocks(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block.get("@architectures") == ARCHITECTURE:
        if block.get("bilm") is None:  # or it has been replaced before
            yield block
        return
    for value in block.values():
        if isinstance(value, dict):
            yield from _listener_blocks(value)
