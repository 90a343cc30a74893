"""Measure the mean vector of running text and store it with the weights.

`._.elmo_similarity` then subtracts it before the cosine (`center_similarity = true`).

    python -m evaluation.mean_vector WEIGHTS OUT TEXT...
"""

from __future__ import annotations

from pathlib import Path

import typer

from evaluation.readers import sample_text
from spacy_elmo import BiLM
from spacy_elmo.formats import save


def main(
    weights: str = typer.Argument(..., help="Name or path of weights."),
    out: Path = typer.Argument(..., help="Where to save them: may be the same native directory."),
    text: list[Path] = typer.Argument(..., help="Running text, plain or compressed."),
    words: int = typer.Option(200_000, help="Words to read, an equal share from each file."),
    dtype: str = typer.Option("float32", help="float32, or float16 for half the size."),
) -> None:
    """Store the mean vector of some text with the weights."""
    lm = BiLM.from_pretrained(weights)
    sentences = sample_text(text, words)
    lm.measure_mean(sentences)
    assert lm.mean_layers is not None
    save(lm, out, dtype=dtype)
    norms = ", ".join(f"{norm:.2f}" for norm in lm.mean_layers.norm(dim=1).tolist())
    n_words = sum(map(len, sentences))
    print(f"Wrote {out}: mean of {n_words:,} words, its length in each layer {norms}")


if __name__ == "__main__":
    typer.run(main)
