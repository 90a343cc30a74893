"""Word-in-Context: is a word meant in the same sense in two sentences?

The answer is yes where the cosine of the word's two vectors is at least a threshold, which is
fitted on the training split; the figure is the accuracy on the dev split. Half of the answers are
yes.

    python -m evaluation.wic en_elmo_sm
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray

from evaluation.encoders import (
    HEADER,
    Encoder,
    Floats,
    Variant,
    elmo_encoders,
    read_sample,
    unit,
)
from evaluation.readers import EVAL, Pair, read_wic
from evaluation.report import finish, percent


@dataclass(frozen=True)
class WicResult:
    """threshold: Fitted on train. train, dev: Accuracies."""

    threshold: float
    train: float
    dev: float


def evaluate_wic(
    encode: Encoder, train: Sequence[Pair], dev: Sequence[Pair]
) -> dict[Variant, WicResult]:
    """Accuracy of every variant of an encoder."""
    sides = [cosines(encode, pairs) for pairs in (train, dev)]
    gold = [np.array([pair.same for pair in pairs]) for pairs in (train, dev)]
    results = {}
    for variant, train_cosines in sides[0].items():
        threshold = best_threshold(train_cosines, gold[0])
        accuracies = (
            float(((found[variant] >= threshold) == truth).mean())
            for found, truth in zip(sides, gold, strict=True)
        )
        results[variant] = WicResult(threshold, *accuracies)
    return results


def cosines(encode: Encoder, pairs: Sequence[Pair]) -> dict[Variant, Floats]:
    """Cosine of the word's vectors in the two sentences. *Shape:* (n_pairs,)."""
    vectors = encode([word for pair in pairs for word in (pair.first, pair.second)])
    found = {}
    for variant, both in vectors.items():
        scaled = unit(both)
        found[variant] = (scaled[::2] * scaled[1::2]).sum(axis=1)
    return found


def best_threshold(values: Floats, gold: NDArray[np.bool_]) -> float:
    """The threshold with the highest accuracy: halfway between two neighbouring values, or beyond
    what a cosine can be.

    >>> round(best_threshold(np.float32([0.1, 0.3, 0.5]), np.array([False, True, True])), 6)
    0.2
    """
    order = np.argsort(values, kind="stable")
    ordered, truth = values[order].astype(np.float64), gold[order]
    # With the k lowest below the threshold: the false ones among them are right, and the true ones
    # of the rest.
    right = np.concatenate([[0], np.cumsum(~truth)]) + truth.sum()
    right[1:] -= np.cumsum(truth)
    places = np.concatenate([[-1.01], (ordered[1:] + ordered[:-1]) / 2, [1.01]])
    possible = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    return float(places[np.argmax(np.where(possible, right, -1))])


def main(
    weights: str = typer.Argument("en_elmo_sm", help="Name or path of weights."),
    data: Path = typer.Option(EVAL / "wic", help="Folder of the data set."),
    initial_state: list[str] | None = typer.Option(
        None, help="zero or warm; may be repeated. Left out: what the weights say."
    ),
    text: list[Path] | None = typer.Option(None, help="Text for the mean; may be repeated."),
    words: int = typer.Option(50_000, help="Words of it to read."),
    json: Path | None = typer.Option(None, help="Write the figures here, too."),
) -> None:
    """Word-in-Context accuracy."""
    train, dev = read_wic(data, "train"), read_wic(data, "dev")
    results: dict[Variant, WicResult] = {}
    for encode in elmo_encoders(weights, initial_state, read_sample(text, words)):
        results |= evaluate_wic(encode, train, dev)
    rows = [
        (*variant.cells(), f"{result.threshold:.3f}", percent(result.train), percent(result.dev))
        for variant, result in results.items()
    ]
    values = [{**variant._asdict(), **asdict(result)} for variant, result in results.items()]
    title = f"WiC, {weights}: {len(train)} pairs to fit the threshold, {len(dev)} to test it"
    finish(title, (*HEADER, "threshold", "train", "dev"), rows, values, json)


if __name__ == "__main__":
    typer.run(main)
