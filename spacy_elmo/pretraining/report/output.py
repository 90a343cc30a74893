"""What a training leaves behind: the native directory, its card, and the picture of the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.formats import native, save
from spacy_elmo.pretraining.report.plot import draw
from spacy_elmo.replacing import new_version

CARD = "README.md"
CURVES = "curves.svg"


def write_output(lm: BiLM, out: Path, card: str, log: Sequence[Mapping[str, Any]]) -> None:
    """Write the model into its directory, beside the folder of the training.

    An older model there is replaced as a whole, card and curves with it.

    Args:
        lm: The model.
        out: The directory.
        card: The model card.
        log: Entries of the training's log.
    """
    name = out.resolve().name
    with new_version(out, native.CONFIG, native.FILES | {CARD, CURVES}) as aside:
        save(lm, aside)
        (aside / CARD).write_text(card, encoding="utf8")
        (aside / CURVES).write_text(draw(log, f"{name}: perplexity"), encoding="utf8")
