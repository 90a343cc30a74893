"""What a training leaves behind: the native directory, its card, and the picture of the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.files import new_files
from spacy_elmo.formats import save
from spacy_elmo.pretraining.report.plot import draw


def write_output(lm: BiLM, out: Path, card: str, log: Sequence[Mapping[str, Any]]) -> None:
    """Write the model into its directory, beside the folder of the training.

    Each file appears complete, and `config.json`, by which the directory is known, comes last.

    Args:
        lm: The model.
        out: The directory.
        card: The model card.
        log: Entries of the training's log.
    """
    name = out.resolve().name
    with new_files(out, last="config.json") as aside:
        save(lm, aside)
        (aside / "README.md").write_text(card, encoding="utf8")
        (aside / "curves.svg").write_text(draw(log, f"{name}: perplexity"), encoding="utf8")
