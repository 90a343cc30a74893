"""All rows of the comparison, one process each; rows that are there already are left out.

Three seeds for tagging, one for the rest, the language model's also with `context` on its
listeners; then the mixes, with a tenth of the training data alone to keep them cheap; then tagging
with wider encoders, with all of the data. It can be stopped at any time and goes on with the next
row.

    python -m evaluation.rows --weights en_elmo_sm
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from evaluation.tasks import SIDES, TASKS

SEEDS = {"tagging": (0, 1, 2)}
WIDE = 256  # half as wide as the vectors of the packaged model


def plan(only: str | None = None) -> Iterator[list[str]]:
    """Arguments of `evaluation.row` for each row.

    only: The rows of this task alone; None: of all that are in English.

    >>> [arguments[:2] for arguments in plan("ner")][:2]
    [['ner', 'tok2vec'], ['ner', 'elmo']]
    """
    wanted = [only] if only else [name for name, task in TASKS.items() if task.lang == "en"]
    tasks = {name: TASKS[name] for name in wanted}
    for name, task in tasks.items():
        for fraction in task.steps:
            for seed in SEEDS.get(name, (0,)):
                for side in SIDES:
                    yield [name, side, f"--fraction={fraction}", f"--seed={seed}"]
                yield [name, "elmo", f"--fraction={fraction}", f"--seed={seed}", "--context"]
    for name, task in tasks.items():
        for seed in SEEDS.get(name, (0,)) if 0.1 in task.steps else ():
            for mix in ("last", "average"):
                yield [name, "elmo", "--fraction=0.1", f"--seed={seed}", f"--mix={mix}"]
    if "tagging" in tasks:
        for seed in SEEDS["tagging"]:
            for side in SIDES:
                yield ["tagging", side, "--fraction=1.0", f"--seed={seed}", f"--width={WIDE}"]


def main(
    weights: str = typer.Option("en_elmo_sm", help="Name or path of the biLM's weights."),
    task: str | None = typer.Option(None, help=f"One of {', '.join(TASKS)}; left out: all."),
    data: Path = typer.Option(Path("build/data"), help="Data sets as .spacy files."),
    results: Path = typer.Option(Path("build/rows.json"), help="JSON file of all rows."),
) -> None:
    """Make every row of the comparison."""
    row = [sys.executable, "-m", "evaluation.row"]
    common = [f"--weights={weights}", f"--data={data}", f"--results={results}"]
    for arguments in plan(task):
        print(*arguments, flush=True)
        subprocess.run([*row, *arguments, *common], check=True)


if __name__ == "__main__":
    typer.run(main)
