"""The tables of the comparison, from the rows that `evaluation.row` made.

python -m evaluation.table build/rows.json
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import srsly
import typer

from evaluation.report import markdown
from evaluation.tasks import MIXES, TASKS

Row = dict[str, Any]
LEARNED = (None, "learned")  # a row of tok2vec has no mix
COLUMNS: dict[str, Callable[[Row], bool]] = {
    "tok2vec": lambda row: row["side"] == "tok2vec",
    "elmo": lambda row: row["side"] == "elmo" and not row.get("context"),
    "elmo, context": lambda row: row["side"] == "elmo" and bool(row.get("context")),
}
"""Which rows each column of the comparison holds."""


class Setting(NamedTuple):
    """What both sides of a comparison have in common.

    fraction: Of the training data. width: Of the encoders; None: each side's own.
    """

    fraction: float
    steps: int
    width: int | None

    @classmethod
    def of(cls, row: Row) -> Setting:
        """That of a row."""
        return cls(row["fraction"], row["steps"], row.get("width"))


def comparison(rows: Sequence[Row]) -> str:
    """tok2vec against elmo, and against elmo with `context`, for every task and setting that has
    the first two."""
    table = []
    rows = [row for row in rows if not row.get("vectors")]
    for name, task in TASKS.items():
        of_task = [row for row in rows if row["task"] == name and row.get("mix") in LEARNED]
        sides = [[row for row in of_task if is_on(row)] for is_on in COLUMNS.values()]
        for setting in settings(of_task):
            chosen = [with_setting(side, setting) for side in sides]
            default, *others = chosen
            if default and others[0]:
                cells = [
                    (spread(each), f"{100 * error_reduction(mean(default), mean(each)):+.0f} %")
                    if each
                    else ("", "")
                    for each in others
                ]
                speeds = [
                    f"{speed(side, setting.width):,}"
                    for side, rows_of in zip(sides, chosen, strict=True)
                    if rows_of
                ]
                table.append(
                    (
                        task.title,
                        f"{setting.fraction:.0%} ({default[0]['n_train']:,})",
                        f"{setting.steps:,}",
                        f"{setting.width or ''}",
                        spread(default),
                        *chain.from_iterable(cells),
                        " / ".join(speeds),
                    )
                )
    header = (
        "task",
        "training data (sentences)",
        "steps",
        "width",
        "tok2vec",
        "elmo",
        "fewer errors",
        "elmo, context",
        "fewer errors",
        "words/s of these",
    )
    return markdown(header, table)


def static(rows: Sequence[Row]) -> str:
    """Both sides without and with static vectors, wherever there are rows with some."""
    table = []
    for name, task in TASKS.items():
        of_task = [row for row in rows if row["task"] == name and row.get("mix") in LEARNED]
        of_task = [row for row in of_task if not row.get("context")]
        for vectors in sorted({row["vectors"] for row in of_task if row.get("vectors")}):
            chosen = [row for row in of_task if row.get("vectors") in (None, vectors)]
            for setting in settings([row for row in chosen if row.get("vectors")]):
                cells = []
                for side in ("tok2vec", "elmo"):
                    of_side = [r for r in with_setting(chosen, setting) if r["side"] == side]
                    for given in (None, vectors):
                        found = [row for row in of_side if row.get("vectors") == given]
                        cells.append(spread(found) if found else "")
                first = (task.title, f"{setting.fraction:.0%}", f"{setting.steps:,}")
                table.append((*first, *cells))
    header = ("task", "data", "steps", "tok2vec", "and vectors", "elmo", "and vectors")
    return markdown(header, table)


def mixes(rows: Sequence[Row]) -> str:
    """The three ways to mix layers, and the shares that were learned."""
    table = []
    rows = [row for row in rows if not row.get("vectors")]
    for name, task in TASKS.items():
        elmo = [row for row in rows if row["task"] == name and COLUMNS["elmo"](row)]
        for setting in settings(elmo):
            chosen = with_setting(elmo, setting)
            by_mix = {mix: [row for row in chosen if row["mix"] == mix] for mix in MIXES}
            if all(by_mix.values()):
                learned = by_mix["learned"][0]["mixes"][task.pipe]
                shares = " ".join(f"{share:.2f}" for share in learned["layers"])
                cells = [spread(by_mix[mix]) for mix in ("last", "average", "learned")]
                learned_cell = f"{shares}, gamma {learned['gamma']:.2f}"
                first = (task.title, f"{setting.fraction:.0%}", f"{setting.steps:,}")
                table.append((*first, *cells, learned_cell))
    header = ("task", "data", "steps", "last layer", "plain average", "learned", "learned shares")
    return markdown(header, table)


def settings(rows: Sequence[Row]) -> list[Setting]:
    """All settings of rows: the most data and steps first, then each side's own width."""
    found = {Setting.of(row) for row in rows}
    return sorted(found, key=lambda each: (-each.fraction, -each.steps, each.width or 0))


def with_setting(rows: Sequence[Row], setting: Setting) -> list[Row]:
    """Rows with this setting."""
    return [row for row in rows if Setting.of(row) == setting]


def by_weights(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows for each set of weights: its own, and those of tok2vec.

    >>> list(by_weights([{"side": "tok2vec"}, {"side": "elmo", "weights": "bilm@1a2b3c4d"}]))
    ['bilm@1a2b3c4d']
    """
    default = [row for row in rows if row["side"] == "tok2vec"]
    elmo = [row for row in rows if row["side"] == "elmo"]
    names = dict.fromkeys(row["weights"] for row in elmo)
    return {name: [*default, *(r for r in elmo if r["weights"] == name)] for name in names}


def mean(rows: Sequence[Row]) -> float:
    """Mean score of rows that differ in their seed."""
    return statistics.fmean(row["score"] for row in rows)


def spread(rows: Sequence[Row]) -> str:
    """Mean score, and the standard deviation over seeds where there are several.

    >>> spread([{"score": 0.94}, {"score": 0.96}])
    '95.00 ± 1.41'
    """
    scores = [100 * row["score"] for row in rows]
    deviation = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
    return f"{statistics.fmean(scores):.2f}{deviation}"


def error_reduction(before: float, after: float) -> float:
    """Share of the errors that are gone.

    >>> error_reduction(0.9, 0.95)
    0.5
    """
    return round(1 - (1 - after) / (1 - before), 6)


def speed(rows: Sequence[Row], width: int | None) -> int:
    """Words per second of the finished pipelines with encoders of a width, which differ in their
    weights alone: the fastest of them, for whatever else the machine had to do slows others down.
    """
    return max(int(row["words_per_second"]) for row in rows if row.get("width") == width)


def main(
    results: Path = typer.Argument(Path("build/rows.json"), help="JSON file of rows."),
) -> None:
    """Print the tables."""
    for name, rows in by_weights(srsly.read_json(results)).items():
        minutes = sum(row["train_seconds"] for row in rows) / 60
        print(f"{name}: {len(rows)} rows, {minutes:.0f} minutes of training\n")
        print(f"{comparison(rows)}\n\n{mixes(rows)}\n\n{static(rows)}\n")


if __name__ == "__main__":
    typer.run(main)
