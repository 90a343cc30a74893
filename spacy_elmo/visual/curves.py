"""Style `curves`: a training's perplexities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spacy_elmo.errors import ElmoError, problem
from spacy_elmo.pretraining.report.log import read_whole
from spacy_elmo.pretraining.report.plot import draw as plot
from spacy_elmo.visual.markup import Picture
from spacy_elmo.visual.options import CurvesOptions

LOGS = (Path("training/log.jsonl"), Path("log.jsonl"))


def draw(folder: Any, options: CurvesOptions) -> list[Picture]:
    """The picture of a training, while it runs or when it is done.

    Args:
        folder: The folder of `pretrain`, its folder `training`, or its `log.jsonl`.
        options: Of the style.

    Raises:
        ElmoError: If there is no log, or one without any figure, or a damaged one.
    """
    if not isinstance(folder, (str, Path)):
        raise ElmoError(
            f"style 'curves' shows a training: give its folder, not a {type(folder).__name__}"
        )
    path = log_of(Path(folder))
    entries, damage = read_whole(path)
    if not entries:
        raise problem(
            path,
            damage or "holds no figures yet",
            "Wait for the first steps of the training" if damage is None else "",
            error=ElmoError,
        )
    place = path.resolve().parent
    name = (place.parent if place.name == "training" else place).name
    title = options.title if options.title is not None else f"{name}: perplexity"
    note = "" if damage is None else "The log is damaged: its last part is missing"
    return [Picture(plot(entries, title, theme=options.theme, note=note).strip(), title)]


def log_of(path: Path) -> Path:
    """The log of a training.

    Raises:
        ElmoError: If there is none.
    """
    if path.is_file():
        return path
    for name in LOGS:
        if (path / name).is_file():
            return path / name
    what = "holds no training/log.jsonl" if path.is_dir() else "does not exist"
    advice = "Give the folder that `spacy elmo pretrain` writes to"
    raise problem(path, what, advice, error=ElmoError)
