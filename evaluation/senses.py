"""CoarseWSD-20 by the classifiers of `elmo_senses`: all examples, or a few of each sense.

The language model is read without a pipeline; with `--docbin` the same examples are written for
`spacy train`, whose `spans_senses_acc` is the column "accuracy" here.

    python -m evaluation.senses en_elmo_sm --classifier ridge --view both
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import spacy
import typer
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab

from evaluation.coarsewsd import Data, read_all
from evaluation.encoders import Floats, beside
from evaluation.readers import EVAL, Marked, Sense
from evaluation.report import finish, percent
from spacy_elmo import BiLM
from spacy_elmo.pipeline.senses.classifiers import CLASSIFIERS, VIEWS, choose, viewed
from spacy_elmo.types import Ints

SEEDS = 5


class Encoded(NamedTuple):
    """The occurrences of one word, as `occurrence_states` gives them.

    train, test: *Shape:* (n, 2, width). train_numbers, test_numbers: Of the senses, by name;
    -1 for one that is not in train.
    """

    train: Floats
    train_numbers: Ints
    test: Floats
    test_numbers: Ints

    @property
    def n_senses(self) -> int:
        """Those of the training examples."""
        return int(self.train_numbers.max()) + 1


class Accuracy(NamedTuple):
    """Of all test occurrences, and the mean of the words' accuracies."""

    all: float
    macro: float


def encode(lm: BiLM, words: Iterable[Marked]) -> Floats:
    """The top layer's states of each word, and around it. *Shape:* (n, 2, width)."""
    words = list(words)
    edges = lm.encoder.edges(lm)[-1]
    half = lm.config.projection_dim
    return np.stack(
        [
            np.stack([layers[-1, place], beside(layers[-1], edges, place, half)])
            for (_, place), layers in zip(words, lm.stream(w for w, _ in words), strict=True)
        ]
    )


def encode_all(lm: BiLM, data: Data) -> dict[str, Encoded]:
    """All words of the data set."""
    found = {}
    for word, (train, test) in data.items():
        states = encode(lm, (item.word for item in (*train, *test)))
        names = sorted({item.sense for item in train})
        number = {name: k for k, name in enumerate(names)}
        numbers = np.array([number.get(item.sense, -1) for item in (*train, *test)])
        n = len(train)
        found[word] = Encoded(states[:n], numbers[:n], states[n:], numbers[n:])
    return found


def mean_of(lm: BiLM) -> Floats:
    """The mean of the top layer that the weights carry."""
    if lm.mean_layers is None:
        raise SystemExit("these weights carry no mean vector: measure one with lm.measure_mean")
    mean: Floats = lm.mean_layers[-1].cpu().numpy()
    return mean


def few(numbers: Ints, per_sense: int, seed: int) -> Ints:
    """Which examples to learn from: so many of each sense, or all it has.

    >>> few(np.array([0, 0, 0, 1]), 2, 0).shape
    (3,)
    """
    order = np.random.default_rng(seed).permutation(len(numbers))
    kept = [order[numbers[order] == k][:per_sense] for k in range(int(numbers.max()) + 1)]
    chosen: Ints = np.sort(np.concatenate(kept))
    return chosen


def accuracy(
    encoded: Mapping[str, Encoded],
    mean: Floats,
    classifier: str,
    view: str,
    per_sense: int | None = None,
    seed: int = 0,
) -> Accuracy:
    """Accuracy of a classifier; per_sense: Examples of each sense, None for all."""
    n_right, n_all, by_word = 0, 0, []
    for word in encoded.values():
        rows = np.arange(len(word.train))
        if per_sense is not None:
            rows = few(word.train_numbers, per_sense, seed)
        numbers = word.train_numbers[rows]
        score = CLASSIFIERS[classifier](
            viewed(word.train[rows], mean, view), numbers, word.n_senses
        )
        counts = np.bincount(numbers, minlength=word.n_senses).astype(np.int64)
        right = choose(score(viewed(word.test, mean, view)), counts) == word.test_numbers
        n_right, n_all = n_right + int(right.sum()), n_all + len(right)
        by_word.append(float(right.mean()))
    return Accuracy(n_right / n_all, float(np.mean(by_word)))


def write_docbins(data: Data, folder: Path, key: str = "senses") -> None:
    """The data set for `spacy train`: `train.spacy`, and the test occurrences as `dev.spacy`.

    A sense is named after its word, "bank: 1".
    """
    vocab = spacy.blank("en").vocab
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("train", "dev")):
        items = [(word, item) for word, both in data.items() for item in both[number]]
        docs = DocBin(docs=[_doc(vocab, word, item, key) for word, item in items])
        docs.to_disk(folder / f"{name}.spacy")


def _doc(vocab: Vocab, word: str, item: Sense, key: str) -> Doc:
    words, place = item.word
    # Without `spaces` spaCy knows that they are unknown, and keeps to these tokens.
    doc = Doc(vocab, words=words)
    doc.spans[key] = [Span(doc, place, place + 1, label=f"{word}: {item.sense}")]
    return doc


def main(
    weights: str = typer.Argument("en_elmo_sm", help="Name or path of weights."),
    data: Path = typer.Option(EVAL / "coarsewsd20", help="Folder of the data set."),
    classifier: list[str] = typer.Option(list(CLASSIFIERS), help="May be repeated."),
    view: list[str] = typer.Option(list(VIEWS), help="May be repeated."),
    per_sense: list[int] = typer.Option([1, 3, 5, 10, 30], help="Examples; may be repeated."),
    docbin: Path | None = typer.Option(None, help="Write the examples for spacy train here."),
    json: Path | None = typer.Option(None, help="Write the figures here, too."),
) -> None:
    """Accuracy of the classifiers; of a few examples per sense the mean over some draws."""
    items = read_all(data)
    if docbin is not None:
        write_docbins(items, docbin)
    lm = BiLM.from_pretrained(weights)
    encoded, mean = encode_all(lm, items), mean_of(lm)
    rows, values = [], []
    for name in classifier:
        for which in view:
            total = accuracy(encoded, mean, name, which)
            curve = {n: _mean_macro(encoded, mean, name, which, n) for n in per_sense}
            cells = (percent(total.all), percent(total.macro), *map(percent, curve.values()))
            rows.append((name, which, *cells))
            figures = {"all": total.all, "macro": total.macro, "per_sense": curve}
            values.append({"classifier": name, "view": which, **figures})
    header = ("classifier", "view", "accuracy", "macro", *(f"{n} per sense" for n in per_sense))
    n_test = sum(len(test) for _, test in items.values())
    senses = sum(len(Counter(item.sense for item in train)) for train, _ in items.values())
    title = f"CoarseWSD-20, {weights}: {len(items)} words, {senses} senses, {n_test} to label"
    finish(title, header, rows, values, json)


def _mean_macro(
    encoded: Mapping[str, Encoded], mean: Floats, classifier: str, view: str, per_sense: int
) -> float:
    found: Sequence[Accuracy] = [
        accuracy(encoded, mean, classifier, view, per_sense, seed) for seed in range(SEEDS)
    ]
    return float(np.mean([each.macro for each in found]))


if __name__ == "__main__":
    typer.run(main)
