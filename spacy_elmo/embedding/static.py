"""Static vectors: a table of words, what is done to it, and its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spacy_elmo.errors import EmbeddingError
from spacy_elmo.files import new_directory, new_file
from spacy_elmo.types import Floats

TEXT_SUFFIXES = (".txt", ".vec", ".w2v")
# Of the map from token layer to static vectors, relative to the mean square of its inputs: enough
# to keep it tame where there are few words.
_RIDGE = 1e-3


def without_common(vectors: Floats, n_components: int) -> Floats:
    """Vectors without what all have in common: their mean, and the directions they vary in most.

    Mu and Viswanath 2018, "All-but-the-Top".

    Args:
        vectors: *Shape:* (n_words, width).
        n_components: Number of directions; 0 takes off nothing, not even the mean.

    Returns:
        *Shape:* (n_words, width).
    """
    if not n_components or not len(vectors):
        return vectors
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    top = directions[:, ::-1][:, :n_components]
    rest: Floats = (centred - (centred @ top) @ top.T).astype(np.float32)
    return rest


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1; zeros stay. *Shape:* (n_words, width)."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = (vectors / np.where(norms == 0, 1, norms)).astype(np.float32)
    return scaled


def fit_unseen(tokens: Floats, vectors: Floats, new: Floats) -> Floats:
    """Vectors of words that no text holds, out of their token-layer vectors.

    By the affine map that takes the token layer of the words that are known to their static
    vectors (ridge regression).

    Args:
        tokens: Token-layer vectors of the known words. *Shape:* (n_words, width).
        vectors: Their static vectors. *Shape:* (n_words, width).
        new: Token-layer vectors of the others. *Shape:* (n_new, width).

    Returns:
        *Shape:* (n_new, width).
    """
    x, y = tokens.astype(np.float64), vectors.astype(np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - x_mean, y - y_mean
    square = x.T @ x
    ridge = _RIDGE * max(np.trace(square) / len(square), 1e-12)
    weights = np.linalg.solve(square + ridge * np.eye(len(square)), x.T @ y)
    found: Floats = ((new - x_mean) @ weights + y_mean).astype(np.float32)
    return found


def check_output(path: Path, force: bool) -> None:
    """Make sure that a table can be written there, before there is one.

    Raises:
        FileExistsError: If something is there that may not be replaced.
        ValueError: For the suffix of another kind of file.
    """
    if path.suffix.lower() not in ("", *TEXT_SUFFIXES) and not path.is_dir():
        raise ValueError(
            f"{path} ends in {path.suffix!r}: expected {', '.join(TEXT_SUFFIXES)} for word2vec's "
            "text, or a folder for a pipeline with vectors"
        )
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists already: give another name, or force to replace it")
    is_table = path.suffix.lower() in TEXT_SUFFIXES
    if path.is_dir() and (is_table or not (path / "meta.json").is_file()) and any(path.iterdir()):
        raise FileExistsError(f"{path} exists and is no pipeline, so it is not replaced")


def write_word2vec(path: Path, words: Sequence[str], vectors: Floats) -> None:
    """Write word2vec's text: a line of sizes, then a word and its numbers per line.

    Args:
        path: The file.
        words: The words, without white space in them.
        vectors: *Shape:* (n_words, width).
    """
    with new_file(path) as aside, aside.open("w", encoding="utf8", newline="\n") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, vector in zip(words, vectors, strict=True):
            file.write(f"{word} {' '.join(f'{value:.6g}' for value in vector.tolist())}\n")


def write_pipeline(path: Path, words: Sequence[str], vectors: Floats, lang: str) -> None:
    """Write a blank pipeline with the vectors, as `spacy init vectors` does.

    Args:
        path: The folder.
        words: The words.
        vectors: *Shape:* (n_words, width).
        lang: Language of the pipeline.
    """
    from spacy_elmo.embedding.docs.vectors import pipeline_with_vectors

    nlp = pipeline_with_vectors(lang, words, vectors)
    with new_directory(path, (), "meta.json") as aside:
        nlp.to_disk(aside)


def check_words(words: Sequence[str]) -> list[str]:
    """A list of words, each once.

    Raises:
        EmbeddingError: For words that are empty or have white space in them.
    """
    for number, word in enumerate(words, 1):
        if word.split() != [word]:
            raise EmbeddingError(f"word {number} is {word!r}: expected words without white space")
    return list(dict.fromkeys(words))
