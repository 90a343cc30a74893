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
    """Convert weights, exact to the bit (in float32), and with them their card and licences."""
    from contextlib import nullcontext
    from dataclasses import replace

    from wasabi import msg

    from spacy_elmo.formats import folder_of, load, save
    from spacy_elmo.formats.generation import edits_are_meant
    from spacy_elmo.formats.loading import check_target, format_of, resolve
    from spacy_elmo.formats.papers import read_papers, write_papers
    from spacy_elmo.languages import TOKENISATIONS, is_language

    if target.exists() and not force:
        raise FileExistsError(f"{target} exists: give another target, or --force to replace it")
    check_target(target)
    if lang is not None and not is_language(lang):
        raise ValueError(f"--lang is {lang!r}: expected the code of a language, as en or pt-BR")
    if tokenisation not in (None, *TOKENISATIONS):
        raise ValueError(f"--tokenisation is {tokenisation!r}: expected words or lemmas")
    with edits_are_meant() if edited else nullcontext():
        lm = load(source, options=options, vocab=vocab)
    lm.config = replace(
        lm.config,
        lang=lang or lm.config.lang,
        tokenisation=tokenisation or lm.config.tokenisation,
    )
    save(lm, target, dtype=dtype)
    write_papers(target, read_papers(folder_of(source)), replace=False)
    read = resolve(source)
    msg.good(f"Read {read}, {format_of(read).kind}, and wrote {target}")
