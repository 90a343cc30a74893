"""What a training leaves behind: the native directory, its card, and the picture of the curves."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy_elmo.bilm.bilm import BiLM
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
    aside = out / ".model.tmp"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        save(lm, aside)
        (aside / "README.md").write_text(card, encoding="utf8")
        picture = draw(log, f"{out.resolve().name}: perplexity")
        (aside / "curves.svg").write_text(picture, encoding="utf8")
        for path in sorted(aside.iterdir(), key=lambda path: path.name == "config.json"):
            path.replace(out / path.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
