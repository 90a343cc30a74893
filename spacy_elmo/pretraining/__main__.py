"""``python -m spacy_elmo.pretraining``: pretrain where there is neither spaCy nor typer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from spacy_elmo.files import expanded
from spacy_elmo.pretraining.config import read_config
from spacy_elmo.pretraining.pretrain import stopped_by
from spacy_elmo.pretraining.report.console import keep_working
from spacy_elmo.pretraining.report.progress import Progress


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m spacy_elmo.pretraining",
        description="Train a biLM on a prepared corpus, or go on with a training that was stopped.",
    )
    made.add_argument("corpus", type=expanded, help="folder made by `spacy elmo prepare`")
    made.add_argument("out", type=expanded, help="folder for model, checkpoints and log")
    made.add_argument("--config", type=expanded, help="JSON file; default: the recipe `default`")
    made.add_argument("--heldout", type=expanded, help="prepared corpus to measure perplexity on")
    made.add_argument("--init", help="weights to start from, of any format")
    made.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    made.add_argument("--epochs", type=float, help="budget, instead of the config's")
    made.add_argument("--tokens", type=int, help="budget, instead of the config's")
    made.add_argument("--seconds", type=float, help="budget, instead of the config's")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit status, which is 128 + its number if a signal stopped it."""
    keep_working()
    given = parser().parse_args(arguments)
    try:
        config = read_config(given.config, given.epochs, given.tokens, given.seconds)
        with Progress() as progress:
            signal = stopped_by(
                given.corpus,
                given.out,
                config,
                heldout=given.heldout,
                init=given.init,
                device=given.device,
                progress=progress,
            )
    except (ValueError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 128 + signal if signal else 0


if __name__ == "__main__":
    sys.exit(main())
