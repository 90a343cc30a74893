"""Mean cosine of the vectors of two random words, which ought to have nothing in common.

The words are different types, drawn evenly, each in a random sentence it occurs in (Ethayarajh
2019, "How contextual are contextualized word representations?", section 4.1). The first half of the
text gives the mean vector, the second one the words.

    python -m evaluation.random_pairs en_elmo_sm
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer

from evaluation.encoders import HEADER, Encoder, Variant, elmo_encoders, read_sample, unit
from evaluation.readers import Marked
from evaluation.report import finish


def random_words(sentences: Sequence[list[str]], number: int, seed: int) -> list[Marked]:
    """Distinct words (types of letters only, case aside), each in one of its sentences.

    Raises ValueError where the text has too few.
    """
    places: dict[str, list[Marked]] = {}
    for words in sentences:
        for index, word in enumerate(words):
            if word.isalpha():
                places.setdefault(word.lower(), []).append(Marked(words, index))
    if len(places) < number:
        raise ValueError(f"{number} different words asked for, but the text has {len(places)}")
    generator = random.Random(seed)
    return [generator.choice(places[word]) for word in generator.sample(sorted(places), number)]


def mean_cosine(encode: Encoder, words: Sequence[Marked]) -> dict[Variant, tuple[float, float]]:
    """Mean and standard deviation of the cosine of each word and the one after it."""
    result = {}
    for variant, vectors in encode(words).items():
        scaled = unit(vectors)
        cosines = (scaled[::2] * scaled[1::2]).sum(axis=1, dtype=np.float64)
        result[variant] = float(cosines.mean()), float(cosines.std())
    return result


def main(
    weights: str = typer.Argument("en_elmo_sm", help="Name or path of weights."),
    initial_state: list[str] | None = typer.Option(
        None, help="zero or warm; may be repeated. Left out: what the weights say."
    ),
    pairs: int = typer.Option(2000, help="Pairs of words."),
    seed: int = typer.Option(0, help="Of the choice of words."),
    text: list[Path] | None = typer.Option(None, help="Running text; may be repeated."),
    words: int = typer.Option(100_000, help="Words of it to read."),
    json: Path | None = typer.Option(None, help="Write the figures here, too."),
) -> None:
    """Mean cosine of random pairs of words."""
    sentences = read_sample(text, words)
    random.Random(seed).shuffle(sentences)
    half = len(sentences) // 2
    chosen = random_words(sentences[half:], 2 * pairs, seed)
    results: dict[Variant, tuple[float, float]] = {}
    for encode in elmo_encoders(weights, initial_state, sentences[:half]):
        results |= mean_cosine(encode, chosen)
    rows = [
        (*variant.cells(), f"{mean:.3f}", f"{spread:.3f}")
        for variant, (mean, spread) in results.items()
    ]
    values = [
        {**variant._asdict(), "mean": mean, "spread": spread}
        for variant, (mean, spread) in results.items()
    ]
    title = f"Cosine of {pairs} random pairs of words, {weights}"
    finish(title, (*HEADER, "mean", "std. deviation"), rows, values, json)


if __name__ == "__main__":
    typer.run(main)
