"""One row of the comparison: train a pipe on a share of the data, test it, keep the result.

    python -m evaluation.row tagging elmo --fraction 0.1 --seed 0

Both sides of a comparison take the same steps. The best of five states on the dev split is tested
on the test split. Results are added to a JSON file, which several processes may share; a row that
is there already is not made again.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any

import spacy
import srsly
import typer
from filelock import FileLock  # PyTorch needs it, so it is there
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus

from evaluation.tasks import MIXES, SIDES, TASKS, Task, learned_mixes, task_config
from spacy_elmo.formats import resolve

OPTIONS = ("fraction", "seed", "mix", "steps", "width", "context", "vectors", "weights")
KEY = ("task", "side", *OPTIONS)
"""What tells one row from another."""
WEIGHT_FILES = (".json", ".safetensors", ".hdf5", ".h5")
"""Endings of the files that decide what vectors a biLM gives; others may change beside them."""


def measure(task: Task, config_values: dict[str, Any], data: Path, work: Path) -> dict[str, Any]:
    """Train and test one pipeline; returns the figures.

    config_values: `config`, `fraction`, `seed`, `steps`.
    data: Folder of the data sets as `.spacy` files. work: Folder for the pipelines.
    """
    folder = data / task.data
    n_train = len(DocBin().from_disk(folder / "train.spacy"))
    limit = max(1, round(config_values["fraction"] * n_train))
    steps = config_values["steps"]
    overrides = {
        "paths.train": str(folder / "train.spacy"),
        "paths.dev": str(folder / "dev.spacy"),
        "corpora.train.limit": limit,
        "system.seed": config_values["seed"],
        "training.max_steps": steps,
        "training.patience": 0,
        "training.eval_frequency": max(1, steps // 5),
    }
    path = work / "config.cfg"
    config_values["config"].to_disk(path)
    start = time.perf_counter()
    train(path, work, overrides=overrides)
    seconds = time.perf_counter() - start
    nlp = spacy.load(work / "model-best")
    scores = tested(nlp, folder)
    found = {}
    if "elmo" in nlp.pipe_names:
        # Trained in float32, used in bfloat16.
        half = {"components": {"elmo": {"precision": "bfloat16"}}}
        half_scores = tested(spacy.load(work / "model-best", config=half), folder)
        found["score_bfloat16"] = round(float(half_scores[task.score]), 5)
    return {
        "n_train": limit,
        "score": round(float(scores[task.score]), 5),
        **found,
        "words_per_second": round(float(scores["speed"])),
        "train_seconds": round(seconds, 1),
        "mixes": learned_mixes(nlp),
    }


def tested(nlp: Language, folder: Path) -> dict[str, Any]:
    """Scores on the test split of a data set."""
    return nlp.evaluate(list(Corpus(folder / "test.spacy", gold_preproc=True)(nlp)))


def main(
    task: str = typer.Argument(..., help=f"One of {', '.join(TASKS)}."),
    side: str = typer.Argument(..., help=f"One of {', '.join(SIDES)}."),
    fraction: float = typer.Option(1.0, help="Share of the training sentences."),
    seed: int = typer.Option(0, help="Of the initial weights and the order of the sentences."),
    steps: int | None = typer.Option(None, help="Of training; left out: the task's own."),
    weights: str = typer.Option("en_elmo_sm", help="Name or path of the biLM's weights."),
    mix: str = typer.Option("learned", help=f"One of {', '.join(MIXES)}."),
    width: int | None = typer.Option(None, help="Of the encoder; left out: the side's own."),
    context: bool = typer.Option(False, help="Mix the states around each word, too."),
    vectors: Path | None = typer.Option(
        None, help="Static vectors beside the features, as `spacy init vectors` writes them."
    ),
    data: Path = typer.Option(Path("build/data"), help="Data sets as .spacy files."),
    results: Path = typer.Option(Path("build/rows.json"), help="JSON file of all rows."),
) -> None:
    """Train, test, and add a row to the results."""
    for value, known in ((task, TASKS), (side, SIDES), (mix, MIXES)):
        if value not in known:
            raise SystemExit(f"{value!r} is none of {', '.join(known)}")
    chosen = TASKS[task]
    steps = steps or chosen.steps.get(fraction)
    if steps is None:
        raise SystemExit(f"say how many --steps: {task} has none set for a fraction of {fraction}")
    row: dict[str, Any] = {"task": task, "side": side, "fraction": fraction, "seed": seed}
    row |= {"steps": steps, "width": width}
    row |= {"mix": mix, "weights": fingerprint(weights)} if side == "elmo" else {}
    # Absent in the rows made before there were these.
    row |= {"context": True} if context else {}
    row |= {"vectors": fingerprint_of_vectors(vectors)} if vectors else {}
    if any(same(row, other) for other in read_rows(results)):
        print(f"{results} has this row: {row}")
        return
    config = task_config(
        chosen, side, weights=weights, mix=mix, width=width, context=context, vectors=vectors
    )
    with tempfile.TemporaryDirectory() as work:
        values = {"config": config, "fraction": fraction, "seed": seed, "steps": steps}
        row |= measure(chosen, values, data, Path(work))
    add_row(results, row)
    print(f"{chosen.title}: {row}")


def same(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two rows measure the same thing.

    >>> same({"task": "ner", "seed": 0, "score": 0.5}, {"task": "ner", "seed": 0})
    True
    """
    return all(row.get(key) == other.get(key) for key in KEY)


def fingerprint(weights: str) -> str:
    """Last part of the name or path of weights, and a digest of their files: what is trained again
    into the same place are other weights."""
    path = resolve(weights)
    files = [path] if path.is_file() else sorted(path.iterdir())
    digest = hashlib.sha256()
    for file in files:
        if file.suffix.lower() in WEIGHT_FILES:
            digest.update(file.read_bytes())
    return f"{Path(weights).name}@{digest.hexdigest()[:8]}"


def fingerprint_of_vectors(folder: Path) -> str:
    """The same of static vectors, as spaCy writes them."""
    digest = hashlib.sha256((folder / "vocab" / "vectors").read_bytes())
    return f"{folder.name}@{digest.hexdigest()[:8]}"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All rows so far."""
    rows: list[dict[str, Any]] = srsly.read_json(path) if path.exists() else []
    return rows


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row to a file, unless another process has added the same one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        # Read anew: training took minutes, in which other processes may have added theirs.
        rows = read_rows(path)
        if any(same(row, other) for other in rows):
            return
        lines = ",\n".join(srsly.json_dumps(each) for each in [*rows, row])
        # Written aside first, so that a row never is half there.
        aside = path.with_suffix(".new")
        aside.write_text(f"[\n{lines}\n]\n", "utf8")
        aside.replace(path)


if __name__ == "__main__":
    typer.run(main)
