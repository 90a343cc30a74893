"""Which of some formats reads a path, and reading by it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.errors import problem
from spacy_elmo.formats.format import Format


def recognise(formats: Iterable[Format], path: Path) -> Format | None:
    """The first format that recognises a path, or None."""
    return next((known for known in formats if known.recognise(path)), None)


def expected(formats: Iterable[Format]) -> str:
    """What a path must be to be read by one of some formats, for messages."""
    return "Expected " + ", or ".join(known.description for known in formats)


def read(
    known: Format,
    path: Path,
    part: str | None,
    *,
    options: Path | None,
    vocab: Path | None,
    device: str | torch.device,
) -> BiLM:
    """Read weights by a format that has recognised them.

    Args:
        known: The format.
        path: The file or directory.
        part: Which of several models in it, or None.
        options: An options file given by the user, or None.
        vocab: A vocabulary given by the user, or None.
        device: Where the tensors go.

    Returns:
        The model. Its `read_as` says which format that was.

    Raises:
        WeightsError: When anything about the weights is wrong, and for a part of weights that have
            none.
    """
    if part is None:
        lm = known.read(path, options=options, vocab=vocab, device=device)
    elif known.read_part is not None:
        lm = known.read_part(path, options=options, vocab=vocab, device=device, part=part)
    else:
        what = f"holds one model, but #{part} asks for one of several"
        raise problem(path, what, f"Leave out #{part}: it is for models of AllenNLP")
    lm.read_as = lm.read_as or known.kind  # an archive says what was inside
    return lm
