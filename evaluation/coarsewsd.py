"""CoarseWSD-20: which sense of an ambiguous noun is meant?

A test occurrence gets the sense of the training occurrence whose vector is nearest by cosine; of
several as near, the most frequent sense. So the token layer, which sees no context, cannot beat the
first row of the table: always the most frequent sense of the training occurrences.

    python -m evaluation.coarsewsd en_elmo_sm
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
from evaluation.readers import EVAL, Sense, coarsewsd_words, read_coarsewsd
from evaluation.report import finish, percent

Strings = NDArray[np.str_]

MOST_FREQUENT = Variant("most frequent sense", "", False)

Data = Mapping[str, tuple[Sequence[Sense], Sequence[Sense]]]
"""Training and test occurrences of each word."""
Accuracies = dict[str, float]
"""Accuracy of each word."""


def read_all(folder: Path) -> Data:
    """All words of the data set."""
    words = coarsewsd_words(folder)
    return {
        w: (read_coarsewsd(folder, w, "train"), read_coarsewsd(folder, w, "test")) for w in words
    }


def evaluate_coarsewsd(encode: Encoder, data: Data) -> dict[Variant, Accuracies]:
    """Accuracy of every variant of an encoder for every word."""
    results: dict[Variant, Accuracies] = {}
    for word, (train, test) in data.items():
        vectors = encode([item.word for item in (*train, *test)])
        senses = np.array([item.sense for item in train])
        gold = np.array([item.sense for item in test])
        for variant, rows in vectors.items():
            found = nearest_senses(rows[len(train) :], rows[: len(train)], senses)
            accuracy = float((found == gold).mean())
            results.setdefault(variant, {})[word] = accuracy
    return results


def nearest_senses(vectors: Floats, known: Floats, senses: Strings) -> Strings:
    """Sense of the nearest known vector by cosine, the most frequent one of several as near.

    >>> known = np.float32([[1, 0], [2, 2], [1, 1], [3, 3]])
    >>> nearest_senses(np.float32([[1, 1]]), known, np.array(["a", "b", "c", "c"])).tolist()
    ['c']
    """
    names, numbers = np.unique(senses, return_inverse=True)
    cosines = unit(vectors) @ unit(known).T
    # Equal vectors may differ in the last bit when they were summed in another order.
    nearest = cosines >= cosines.max(axis=1, keepdims=True) - 1e-5
    votes = nearest.astype(np.int64) @ np.eye(len(names), dtype=np.int64)[numbers]
    chosen: Strings = names[votes.argmax(axis=1)]
    return chosen


def most_frequent_sense(data: Data) -> Accuracies:
    """Accuracy of always saying the most frequent sense of the training occurrences."""
    accuracies = {}
    for word, (train, test) in data.items():
        sense = Counter(item.sense for item in train).most_common(1)[0][0]
        accuracies[word] = sum(item.sense == sense for item in test) / len(test)
    return accuracies


def macro(accuracies: Accuracies) -> float:
    """Mean over the words.

    >>> macro({"bank": 1.0, "apple": 0.5})
    0.75
    """
    return sum(accuracies.values()) / len(accuracies)


def main(
    weights: str = typer.Argument("en_elmo_sm", help="Name or path of weights."),
    data: Path = typer.Option(EVAL / "coarsewsd20", help="Folder of the data set."),
    initial_state: list[str] | None = typer.Option(
        None, help="zero or warm; may be repeated. Left out: what the weights say."
    ),
    text: list[Path] | None = typer.Option(None, help="Text for the mean; may be repeated."),
    words: int = typer.Option(50_000, help="Words of it to read."),
    json: Path | None = typer.Option(None, help="Write the figures here, too."),
) -> None:
    """Word-sense accuracy by the nearest neighbour in context."""
    items = read_all(data)
    results = {MOST_FREQUENT: most_frequent_sense(items)}
    for encode in elmo_encoders(weights, initial_state, read_sample(text, words)):
        results |= evaluate_coarsewsd(encode, items)
    rows = [
        (
            *variant.cells(),
            percent(macro(found)),
            *(f"{100 * value:.1f}" for value in found.values()),
        )
        for variant, found in results.items()
    ]
    values = [
        {**variant._asdict(), "macro": macro(found), "words": found}
        for variant, found in results.items()
    ]
    n_test = sum(len(test) for _, test in items.values())
    title = f"CoarseWSD-20, {weights}: {len(items)} words, {n_test} test occurrences"
    finish(title, (*HEADER, "macro", *items), rows, values, json)


if __name__ == "__main__":
    typer.run(main)
