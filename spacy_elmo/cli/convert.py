"""``elmo convert``: any weights that can be read, to a native directory or to HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from spacy_elmo.bilm.bilm import BiLM


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

    from spacy_elmo.formats import load, papers_of, save
    from spacy_elmo.formats.cards import write_stub
    from spacy_elmo.formats.generation import edits_are_meant
    from spacy_elmo.formats.loading import check_target, resolve
    from spacy_elmo.formats.papers import read_papers, remove_papers, write_papers
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
    papers, read = papers_of(source), resolve(source)
    of_another = target.exists() and bool(read_papers(target)) and not _holds(target, lm)
    save(lm, target, dtype=dtype)
    if of_another:  # its card and licences do not hold for what is there now
        remove_papers(target)
    write_papers(target, papers, replace=of_another)
    write_stub(lm, target, dtype)
    msg.good(f"Read {read}, {lm.read_as}, and wrote {target}")


def _holds(target: Path, lm: BiLM) -> bool:
    """Whether weights are those of a model, if rounded to float16. Damaged ones are of another."""
    from torch import equal

    from spacy_elmo.errors import WeightsError
    from spacy_elmo.formats import load
    from spacy_elmo.formats.generation import edits_are_meant

    try:
        with edits_are_meant():
            old = _network(load(target))
    except WeightsError:
        return False
    new = _network(lm)
    return old.keys() == new.keys() and all(
        equal(old[name].half(), tensor.half()) for name, tensor in new.items()
    )


def _network(lm: BiLM) -> dict[str, Tensor]:
    """The parameters without those of the softmax, which some formats leave out."""
    return {
        name: parameter.detach()
        for name, parameter in lm.named_parameters()
        if not name.startswith("softmax.")
    }
