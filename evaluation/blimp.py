"""BLiMP: does the language model find a grammatical sentence more probable than its neighbour?

Of each minimal pair (Warstadt et al. 2020) one sentence is well formed; the answer is right where
it has the higher log probability, that of both directions added up. Chance is 50 %.

    python -m evaluation.blimp en_elmo_sm
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import typer

from evaluation.readers import EVAL
from evaluation.report import finish, percent
from spacy_elmo import BiLM


class MinimalPair(NamedTuple):
    """The words of a good sentence and of a bad one."""

    good: list[str]
    bad: list[str]


@dataclass(frozen=True)
class Accuracy:
    """Shares of pairs whose good sentence is more probable, by one direction and by their sum.

    backward and both are None for a forward-only model."""

    forward: float
    backward: float | None
    both: float | None


def read_blimp(folder: Path, limit: int | None = None) -> dict[str, list[MinimalPair]]:
    """The pairs of each paradigm, the first `limit` of each, in spaCy's words."""
    import spacy

    tokenizer = spacy.blank("en").tokenizer
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise SystemExit(f"{folder} holds no BLiMP: expected {folder}/PARADIGM.jsonl")
    paradigms = {}
    for path in paths:
        with path.open(encoding="utf8") as lines:
            items = [json.loads(line) for line in islice(lines, limit)]
        paradigms[path.stem] = [
            MinimalPair(
                *(
                    [token.text for token in tokenizer(item[f"sentence_{k}"])]
                    for k in ("good", "bad")
                )
            )
            for item in items
        ]
    return paradigms


def evaluate_blimp(lm: BiLM, pairs: Sequence[MinimalPair]) -> Accuracy:
    """Accuracy on the pairs of one paradigm."""
    scores = lm.score([words for pair in pairs for words in pair])
    sums = {"forward": np.array([score.forward.sum() for score in scores])}
    if lm.config.bidirectional:
        found = [score.backward.sum() for score in scores if score.backward is not None]
        sums["backward"] = np.array(found)
        sums["both"] = sums["forward"] + sums["backward"]
    right = {name: float((each[::2] > each[1::2]).mean()) for name, each in sums.items()}
    return Accuracy(right["forward"], right.get("backward"), right.get("both"))


def mean(results: Mapping[str, Accuracy]) -> Accuracy:
    """Mean over the paradigms."""
    columns = zip(*(asdict(each).values() for each in results.values()), strict=True)
    means: list[Any] = [None if None in column else sum(column) / len(column) for column in columns]
    return Accuracy(*means)


def main(
    weights: str = typer.Argument("en_elmo_sm", help="Name or path of weights with a softmax."),
    data: Path = typer.Option(EVAL / "blimp", help="Folder of the data set."),
    initial_state: str | None = typer.Option(None, help="zero or warm; left out: the weights'."),
    limit: int | None = typer.Option(None, min=1, help="Pairs of each paradigm; left out: all."),
    json: Path | None = typer.Option(None, help="Write the figures here, too."),
) -> None:
    """Accuracy on minimal pairs, by paradigm."""
    lm = BiLM.from_pretrained(weights, initial_state=initial_state)
    paradigms = read_blimp(data, limit)
    results = {name: evaluate_blimp(lm, pairs) for name, pairs in paradigms.items()}
    results["mean of the paradigms"] = mean(results)
    rows = [
        (name, *("" if share is None else percent(share) for share in asdict(each).values()))
        for name, each in results.items()
    ]
    values = [{"paradigm": name, **asdict(each)} for name, each in results.items()]
    n_pairs = sum(map(len, paradigms.values()))
    title = f"BLiMP, {weights} ({lm.initial_state} state): {n_pairs} pairs"
    finish(title, ("paradigm", "forward", "backward", "both"), rows, values, json)


if __name__ == "__main__":
    typer.run(main)
