"""``elmo pretrain``: train a biLM on a prepared corpus."""

from __future__ import annotations

from pathlib import Path

import typer


def pretrain(
    corpus: Path = typer.Argument(..., help="Folder made by `elmo prepare`."),
    out: Path = typer.Argument(
        ..., help="Folder for the model. Checkpoints and the log are in training/ inside it."
    ),
    config: Path | None = typer.Option(
        None, "--config", "-c", help="Training config, JSON. Default: the recipe `default`."
    ),
    heldout: Path | None = typer.Option(
        None, help="Another prepared corpus, to measure perplexity on."
    ),
    init: str | None = typer.Option(
        None, help="Weights to start from (name or path, any format), to adapt them to the corpus."
    ),
    device: str | None = typer.Option(None, help="cpu or cuda. Default: a GPU if there is one."),
    epochs: float | None = typer.Option(None, help="Budget, instead of the config's."),
    tokens: int | None = typer.Option(None, help="Budget, instead of the config's."),
    seconds: float | None = typer.Option(None, help="Budget, instead of the config's."),
) -> None:
    """Pretrain a biLM, or go on where the same command was stopped or killed.

    A run that a signal stopped ends with status 128 + its number, after its checkpoint. Where
    there is no spaCy, `python -m spacy_elmo.pretraining` does the same.
    """
    from spacy_elmo.pretraining.config import read_config
    from spacy_elmo.pretraining.pretrain import stopped_by
    from spacy_elmo.pretraining.report.progress import Progress

    made = read_config(config, epochs, tokens, seconds)
    with Progress() as progress:
        signal = stopped_by(
            corpus, out, made, heldout=heldout, init=init, device=device, progress=progress
        )
    if signal:
        raise typer.Exit(128 + signal)
