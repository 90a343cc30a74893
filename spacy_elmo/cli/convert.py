"""``elmo convert``: any weights that can be read to a native directory or to HDF5."""

from __future__ import annotations

from pathlib import Path

import typer


def convert(
    source: str = typer.Argument(..., help="Name or path of the weights to read."),
    target: Path = typer.Argument(
        ..., help="What to write: NAME.hdf5 (AllenNLP, bilm-tf), or else a native directory."
    ),
    options: Path | None = typer.Option(None, help="Options file of HDF5 weights."),
    vocab: Path | None = typer.Option(None, help="Vocabulary file of word-input weights."),
    force: bool = typer.Option(False, "--force", "-f", help="Replace TARGET if it exists."),
) -> None:
    """Convert weights: exact to the bit, in both directions."""
    from wasabi import msg

    if target.exists() and not force:
        raise FileExistsError(f"{target} exists: give another target, or --force to replace it")
    from spacy_elmo.formats import load, save

    lm = load(source, options=options, vocab=vocab, device="cpu")
    save(lm, target)
    msg.good(f"Wrote {target}")
