"""``elmo convert``: any weights that can be read, to a native directory or to HDF5."""

from __future__ import annotations

from pathlib import Path

import typer


def convert(
    source: str = typer.Argument(..., help="Name or path of the weights to read."),
    target: Path = typer.Argument(
        ..., help="What to write: NAME.hdf5 (AllenNLP, bilm-tf), or else a native directory."
    ),
    options: Path | None = typer.Option(None, help="Options file of HDF5 weights."),
    vocab: Path | None = typer.Option(None, help="Vocabulary file of HDF5 weights."),
    dtype: str = typer.Option(
        "float32", help="float32, or float16: a native directory half as big."
    ),
    lang: str | None = typer.Option(
        None,
        "--lang",
        "-l",
        help="Code of the language they were trained on, kept with them.",
    ),
    tokenisation: str | None = typer.Option(
        None, help="What they were trained on: words, or lemmas in their place. Likewise."
    ),
    force: bool = typer.Option(False, "--force", "-f", help="Replace TARGET if it exists."),
) -> None:
    """Convert weights, exact to the bit (in float32), and with them their card."""
    from dataclasses import replace
    from shutil import copyfile

    from wasabi import msg

    from spacy_elmo.cli.info import CARD, find_card
    from spacy_elmo.formats import load, save
    from spacy_elmo.formats.loading import check_target, format_of, resolve
    from spacy_elmo.languages import TOKENISATIONS, is_language

    if target.exists() and not force:
        raise FileExistsError(f"{target} exists: give another target, or --force to replace it")
    check_target(target)
    if lang is not None and not is_language(lang):
        raise ValueError(f"--lang is {lang!r}: expected the code of a language, as en or pt-BR")
    if tokenisation not in (None, *TOKENISATIONS):
        raise ValueError(f"--tokenisation is {tokenisation!r}: expected words or lemmas")
    lm = load(source, options=options, vocab=vocab)
    lm.config = replace(
        lm.config,
        lang=lang or lm.config.lang,
        tokenisation=tokenisation or lm.config.tokenisation,
    )
    save(lm, target, dtype=dtype)
    card = find_card(source)
    if target.is_dir() and card is not None and not (target / CARD).exists():
        copyfile(card, target / CARD)
    read = resolve(source)
    msg.good(f"Read {read}, {format_of(read).kind}, and wrote {target}")
