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
        None, help="Options file, if it is not beside the weights."
    ),
    vocab: Path | None = typer.Option(None, help="Vocabulary, if it is not beside the weights."),
    dtype: str = typer.Option(
        "float32", help="float32, or float16: a native directory half as big."
    ),
    edited: bool = typer.Option(
        False, help="You changed the config, options or vocabulary of SOURCE on purpose."
    ),
    force: bool = typer.Option(False, "--force", "-f", help="Replace TARGET if it exists."),
) -> None:
    """Convert weights, exact to the bit (in float32), and with them their card and licences."""
    from contextlib import nullcontext

    from wasabi import msg

    from spacy_elmo.formats import load, resolve, save
    from spacy_elmo.formats.generation import edits_are_meant
    from spacy_elmo.formats.loading import check_target
    from spacy_elmo.formats.papers import read_papers, write_papers

    if target.exists() and not force:
        raise FileExistsError(f"{target} exists: give another target, or --force to replace it")
    check_target(target)
    with edits_are_meant() if edited else nullcontext():
        lm = load(source, options=options, vocab=vocab)
    save(lm, target, dtype=dtype)
    write_papers(target, read_papers(resolve(source)), replace=False)
    msg.good(f"Wrote {target}")
