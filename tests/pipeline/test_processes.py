"""The same vectors in other threads and other processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from spacy.language import Language

from spacy_elmo.pipeline.model.source import Source

Make = Callable[..., Language]
TEXTS = [f"They sat on the river bank number {k} ." + " again" * (k % 5) for k in range(24)] + [
    "",
    "  ",
]


def expected(nlp: Language) -> list[np.ndarray]:
    return [np.array(doc._.elmo_vectors) for doc in nlp.pipe(TEXTS)]


def test_four_threads(make_nlp: Make) -> None:
    nlp = make_nlp(keep_layers=True)
    vectors = expected(nlp)

    def work(seed: int) -> float:
        worst = 0.0
        for k in np.random.default_rng(seed).permutation(len(TEXTS)).tolist():
            found = nlp(TEXTS[k])._.elmo_vectors
            worst = max(worst, np.abs(found - vectors[k]).max(initial=0))
        return worst

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(work, range(8))) <= 1e-6


def test_weights_are_loaded_once_by_many_threads(
    make_nlp: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = expected(make_nlp())
    loads: list[int] = []
    load = Source.load

    def counting(self: Source, device: Any) -> Any:
        loads.append(1)
        return load(self, device)

    monkeypatch.setattr(Source, "load", counting)
    nlp = make_nlp()
    barrier = Barrier(4)

    def first_use(k: int) -> np.ndarray:
        barrier.wait()
        return np.array(nlp(TEXTS[k])._.elmo_vectors)

    with ThreadPoolExecutor(4) as pool:
        for k, found in enumerate(pool.map(first_use, range(4))):
            np.testing.assert_allclose(found, vectors[k], atol=1e-6)
    assert len(loads) == 1


@pytest.mark.parametrize(
    ("method", "used_before"), [("fork", True), ("fork", False), ("spawn", True)]
)
def test_processes(
    make_nlp: Make, monkeypatch: pytest.MonkeyPatch, method: str, used_before: bool
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    vectors = expected(make_nlp())
    nlp = make_nlp(keep_layers=True)
    if used_before:
        nlp(TEXTS[0])
    monkeypatch.setattr("spacy.language.mp", multiprocessing.get_context(method))
    docs = list(nlp.pipe(TEXTS, n_process=2, batch_size=5))
    assert [doc.text for doc in docs] == TEXTS
    for doc, array in zip(docs, vectors, strict=True):
        np.testing.assert_allclose(doc._.elmo_vectors, array, atol=1e-6)
        assert doc._.elmo_layers.shape[1] == len(doc)
    assert docs[0][1]._.elmo_similarity(docs[1][1]) > 0
