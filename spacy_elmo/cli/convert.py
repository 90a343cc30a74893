"""``elmo convert``: any weights that can be read, to a native directory or to HDF5."""

from __future__ import annotations

from pathlib import Path

import typer


def convert(
    source: str = typer.Argument(..., help="Name or path of the weights to read, of any format."),
    target: Path = typer.Argument(
        ..., help="What to write: NAME.hdf5 (AllenNLP, bilm-tf), or else a native directory."
    ),
    options: Path | None = typer.Option(
        None, help="Options file of HDF5 weights, or of an AllenNLP model."
    ),
    vocab: Path | None = typer.Option(None, help="Vocabulary file of HDF5 weights."),
    dtype: str = typer.Option(
        "float32", help="float32, or float16: a native directory half as big."
    ),
    force: bool = typer.Option(False, "--force", "-f", help="Replace TARGET if it exists."),
) -> None:
    """Convert weights, exact to the bit (in float32), and with them their card."""
    from shutil import copyfile

    from wasabi import msg

    from spacy_elmo.cli.info import CARD, find_card
    from spacy_elmo.formats import load, save
    from spacy_elmo.formats.loading import check_target

    if target.exists() and not force:
        raise FileExistsError(f"{target} exists: give another target, or --force to replace it")
    check_target(target)
    lm = load(source, options=options, vocab=vocab)
    save(lm, target, dtype=dtype)
    card = find_card(source)
    if target.is_dir() and card is not None and not (target / CARD).exists():
        copyfile(card, target / CARD)
    msg.good(f"Wrote {target}")
