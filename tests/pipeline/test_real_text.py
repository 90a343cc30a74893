"""UD English EWT through a really trained model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab


def ud_docs(path: Path, vocab: Vocab) -> Iterator[Doc]:
    words: list[str] = []
    spaces: list[bool] = []
    for line in [*path.read_text("utf8").splitlines(), ""]:
        if not line:
            if words:
                yield Doc(vocab, words=words, spaces=spaces)
            words, spaces = [], []
        elif line.split("\t")[0].isdigit():
            columns = line.split("\t")
            words.append(columns[1])
            spaces.append("SpaceAfter=No" not in columns[9])


def test_every_word_of_ewt_dev_has_a_vector(shared: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(shared / "weights/en-interim")}})
    docs = ud_docs(shared / "eval/ud-english-ewt/en_ewt-ud-dev.conllu", nlp.vocab)
    n_docs = n_tokens = 0
    for doc in nlp.pipe(docs):
        vectors = doc._.elmo_vectors
        assert vectors.shape == (len(doc), 256)
        assert np.isfinite(vectors).all()
        norms = np.linalg.norm(vectors, axis=1)
        assert all(norms[token.i] > 0 for token in doc if not token.is_space)
        n_docs += 1
        n_tokens += len(doc)
    assert n_docs == 2001
    assert n_tokens > 25_000
