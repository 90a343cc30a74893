"""The numbers of a training's events: as entries of the log, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spacy_elmo.pretraining.perplexity.exact import Perplexity
from spacy_elmo.pretraining.run.events import Event, Measured, Step


def entry_of(event: Event) -> dict[str, Any] | None:
    """An event as an entry of the log, or None if it is not logged."""
    if isinstance(event, Step):
        numbers: dict[str, Any] = {
            "loss": [round(value, 4) for value in event.loss],
            "norm": round(event.norm, 4),
            "tokens_per_second": round(event.tokens_per_second),
            "rate": event.rate,
            "share": round(event.share, 5),
        }
    elif isinstance(event, Measured) and event.state is None:
        found = event.perplexity
        numbers = {
            "heldout": [round(value, 3) for value in found.directions],
            "heldout_average": round(found.average, 3),
        }
    else:
        return None
    seconds = round(event.seconds, 1)
    return {"step": event.step, "tokens": event.tokens, "seconds": seconds, **numbers}


def gain(entries: Sequence[Mapping[str, Any]]) -> str | None:
    """Held-out perplexity of the weights a training started from, and now, in words.

    Args:
        entries: Of the log.

    Returns:
        None where it was not measured at the start.
    """
    measured = [entry for entry in entries if "heldout" in entry]
    if not measured or measured[0]["step"] != 0:
        return None
    before, after = (measured[k]["heldout_average"] for k in (0, -1))
    return f"Held-out perplexity: {before:.1f} before, {after:.1f} after"


def describe(found: Perplexity) -> str:
    """Perplexities in words."""
    names = ("forward", "backward")
    each = ", ".join(
        f"{name} {value:.1f}" for name, value in zip(names, found.directions, strict=False)
    )
    return (
        f"held-out perplexity {found.average:.1f} ({each}; {found.n_tokens:,} tokens, "
        f"{found.unknown_rate:.1%} unknown)"
    )
