"""Whether a checkpoint belongs to the run that wants to go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacy_elmo.errors import CheckpointError
from spacy_elmo.pretraining.config import BUDGET, REPORTS
from spacy_elmo.pretraining.run.protocol import TrainingState


def check_same_run(path: Path, state: Mapping[str, Any], training: TrainingState) -> None:
    """Check that a checkpoint is of this run; budget and reports may have changed.

    Args:
        path: The checkpoint.
        state: What it holds as JSON.
        training: The run.

    Raises:
        CheckpointError: Naming what differs.
    """
    config, corpus = training.config, training.corpus.meta
    if "init" in state and state["init"] != training.init:
        first, other = (name or "random weights" for name in (state["init"], training.init))
        raise CheckpointError(
            f"{path} is of a run that started from {first}, this one is to start from {other}: "
            "give the same --init, or train into another folder"
        )
    free = {*BUDGET, *REPORTS}
    before, now = (
        _flat({name: value for name, value in values.items() if name not in free})
        for values in (state["config"], config.to_dict())
    )
    changed = [
        f"{name} was {before.get(name)!r} and is now {now.get(name)!r}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise CheckpointError(
            f"{path} was made with another config: {'; '.join(changed)}. Train into another "
            "folder, or start from those weights with --init"
        )
    if dict(state["corpus"]) != dict(corpus):
        raise CheckpointError(
            f"{path} was made with another corpus ({state['corpus'].get('n_tokens')} tokens, "
            f"{state['corpus'].get('n_vocabulary')} words; this one has {corpus.get('n_tokens')} "
            f"and {corpus.get('n_vocabulary')}). Train into another folder, or start from those "
            "weights with --init"
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
