"""Run a whole treebank through the pipeline and count what comes out.

python examples/treebank.py FILE.conllu [WEIGHTS]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import spacy


def main(treebank: str, weights: str = "en_elmo_sm") -> None:
    """Print how many tokens got a finite vector that is not zero."""
    lines = Path(treebank).read_text(encoding="utf8").splitlines()
    texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": weights}})
    nlp("Load the weights.")
    start = time.perf_counter()
    n_words = n_good = 0
    for doc in nlp.pipe(texts):
        words = np.array([not token.is_space for token in doc], dtype=bool)
        vectors = doc._.elmo_vectors[words]
        n_words += len(vectors)
        n_good += int((np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)).sum())
    seconds = time.perf_counter() - start
    print(
        f"{len(texts):,} texts, {n_words:,} words in {seconds:.1f} s, {nlp.meta['lang']}, {weights}"
    )
    print(f"{n_good:,} words have a finite vector that is not zero")


if __name__ == "__main__":
    if "-h" in sys.argv or "--help" in sys.argv:
        print(__doc__)
        sys.exit()
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
