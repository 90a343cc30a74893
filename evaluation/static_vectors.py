"""Static vectors of some text, for `evaluation.row --vectors`: word2vec, trained by gensim.

pip install gensim
python -m evaluation.static_vectors build/word2vec.txt TEXT...
python -m spacy init vectors en build/word2vec.txt build/word2vec
"""

from __future__ import annotations

from pathlib import Path

import typer

from evaluation.contexts import StaticVectors


def main(
    output: Path = typer.Argument(..., help="File to write, in word2vec's text format."),
    text: list[Path] = typer.Argument(..., help="Text to train on."),
    words: int = typer.Option(20_000_000, help="Words of it, at most."),
    epochs: int = typer.Option(5, help="Of the training."),
) -> None:
    """Train, and write the vectors."""
    output.parent.mkdir(parents=True, exist_ok=True)
    vectors = StaticVectors(text, words, epochs).vectors
    vectors.save_word2vec_format(str(output))
    print(f"{output}: {len(vectors):,} words")


if __name__ == "__main__":
    typer.run(main)
