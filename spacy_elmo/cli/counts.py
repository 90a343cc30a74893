"""What a command says at its end of what it left out or repaired."""

from __future__ import annotations

from collections import Counter

import typer


def echo_repaired(counts: Counter[str]) -> None:
    """Tell what was left out or repaired, on standard error.

    Args:
        counts: By the names of `COUNTS`.
    """
    from spacy_elmo.pretraining.corpus.counts import COUNTS, READ

    for name, meaning in COUNTS.items():
        if counts[name] and name not in READ:
            typer.echo(f"{counts[name]:,} {meaning}", err=True)
