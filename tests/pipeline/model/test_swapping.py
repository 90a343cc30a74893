"""Other weights are loaded while some are in use: what is computed belongs to one or the other."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_elmo.bilm.inference.encoder import Encoder
from spacy_elmo.pipeline.model.bilm import BiLMModel, build_bilm_v1, get_shim, reload, run
from tests.tiny import tiny_lm

DOC = Doc(spacy.blank("en").vocab, words=["the", "river", " ", "bank"], sent_starts=[1, 0, 0, 1])


@pytest.fixture
def sources(weights: Path, tmp_path: Path) -> list[str]:
    """Weights that differ in the number of layers and in width."""
    tiny_lm(seed=4, n_layers=1, projection_dim=5).save(tmp_path / "flat")
    return [str(weights), str(tmp_path / "flat")]


def outputs(model: BiLMModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors alone, and vectors and layers together, each of one run."""
    alone, _ = run(model, [DOC])
    both, _ = run(model, [DOC], layers=True)
    return alone[0].vectors, both[0].vectors, both[0].layers


def test_a_run_goes_on_with_what_it_began_with(
    sources: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_bilm_v1(weights=sources[0])
    before = outputs(model)
    encode = Encoder.encode

    def swapped(self: Encoder, network: Any, sentences: Any, **settings: Any) -> Any:
        reload(model, sources[1])
        return encode(self, network, sentences, **settings)

    monkeypatch.setattr(Encoder, "encode", swapped)
    found = run(model, [DOC], layers=True)[0][0]
    np.testing.assert_array_equal(found.layers, before[2])
    np.testing.assert_array_equal(found.vectors, before[1])
    reload(model, sources[0])
    np.testing.assert_array_equal(run(model, [DOC])[0][0].vectors, before[0])
    assert get_shim(model).loaded.n_layers == 2


def test_a_thread_that_swaps_without_end(sources: list[str]) -> None:
    """The number of layers tells the generations apart, and so does the width."""
    expected = {}
    for source in sources:
        vectors, mixed, layers = outputs(build_bilm_v1(weights=source))
        expected[len(layers)] = vectors, layers
        assert mixed.shape == vectors.shape
    model = build_bilm_v1(weights=sources[0])
    stop = threading.Event()
    failures: list[BaseException] = []

    def swap() -> None:
        try:
            while not stop.is_set():
                for source in sources:
                    reload(model, source)
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(150):
            alone = run(model, [DOC])[0][0]
            both = run(model, [DOC], layers=True)[0][0]
            assert both.layers is not None
            seen.add(len(both.layers))
            vectors, layers = expected[len(both.layers)]
            np.testing.assert_allclose(both.layers, layers, atol=1e-6)
            np.testing.assert_allclose(both.vectors, vectors, atol=1e-6)
            assert any(
                alone.vectors.shape == each.shape and np.allclose(alone.vectors, each, atol=1e-6)
                for each, _ in expected.values()
            )
    finally:
        stop.set()
        thread.join()
    assert not failures
    assert seen == set(expected)
