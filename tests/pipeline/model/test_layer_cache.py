"""The cache of frozen training: same scores, less work, never a wrong vector."""

from __future__ import annotations

import copy
import errno
import multiprocessing
import os
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam

from spacy_elmo.bilm import BiLM
from spacy_elmo.bilm.inference.encoder import Encoder
from spacy_elmo.pipeline.model.layer_cache import LayerCache
from tests.pipeline.listening.examples import make, tagged, tags
from tests.tiny import tiny_lm

LAYERS = np.arange(24, dtype=np.float32).reshape(3, 2, 4) / 7
ROOM = 10_000


@pytest.fixture(params=["memory", "disk"])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The sentences that the language model computed."""
    seen: list[list[str]] = []
    encode = Encoder.encode

    def watching(self: Encoder, network: Any, sentences: Any, **settings: Any) -> Any:
        seen.extend(list(words) for words in sentences)
        return encode(self, network, sentences, **settings)

    monkeypatch.setattr(Encoder, "encode", watching)
    return seen


def test_what_was_put_comes_back(kind: str) -> None:
    cache = LayerCache(kind, ROOM)
    assert cache.get(["a", "b"]) is None
    cache.put(["a", "b"], LAYERS)
    cache.put(["c"], LAYERS[:, :1])
    np.testing.assert_array_equal(cache.get(["a", "b"]), LAYERS)
    np.testing.assert_array_equal(cache.get(["c"]), LAYERS[:, :1])
    assert cache.get(["ab"]) is None
    assert len(cache) == 2
    other = copy.copy(cache)
    assert other.get(["a", "b"]) is None
    other.put(["a", "b"], LAYERS + 1)
    np.testing.assert_array_equal(other.get(["a", "b"]), LAYERS + 1)
    np.testing.assert_array_equal(cache.get(["a", "b"]), LAYERS)


def test_half_precision(kind: str) -> None:
    cache = LayerCache(kind, ROOM, half=True)
    cache.put(["a", "b"], LAYERS)
    found = cache.get(["a", "b"])
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, LAYERS, rtol=5e-4)
    assert cache.n_bytes == LAYERS.nbytes / 2
    cache.put(["large"], np.full((3, 1, 4), 1e6, dtype=np.float32))
    assert cache.get(["large"]) is None, "too large for float16: computed anew each time"


def test_the_bound_holds(kind: str) -> None:
    cache = LayerCache(kind, 3 * LAYERS.nbytes)
    for k in range(10):
        cache.put([str(k), "x"], LAYERS + k)
    assert len(cache) == 3
    assert cache.n_bytes == 3 * LAYERS.nbytes
    for k in range(3):
        np.testing.assert_array_equal(cache.get([str(k), "x"]), LAYERS + k)
    assert cache.get(["3", "x"]) is None


class SmallDisk:
    """A file that takes a number of bytes, the last of them in a half-written entry."""

    def __init__(self, room: int) -> None:
        self.file: Any = open_file(buffering=0)
        self.room = room

    def write(self, data: Any) -> int:
        part = data[: self.room - self.file.tell()]
        if len(part) == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written: int = self.file.write(part)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


open_file = tempfile.TemporaryFile


def test_a_full_disk_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SmallDisk(2 * LAYERS.nbytes + 50)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **settings: disk)
    cache = LayerCache("disk", ROOM)
    for k in range(2):
        cache.put([str(k)], LAYERS + k)
    message = rf"stops at {2 * LAYERS.nbytes} bytes: its file in /.*No space left.*TMPDIR"
    with pytest.warns(UserWarning, match=message):
        cache.put(["2"], LAYERS)
    assert os.fstat(disk.fileno()).st_size == cache.n_bytes == 2 * LAYERS.nbytes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put(["2"], LAYERS)
        cache.put(["small"], LAYERS[:, :1, :1])
    assert len(cache) == 2
    assert cache.get(["2"]) is None
    assert cache.get(["small"]) is None
    for k in range(2):
        np.testing.assert_array_equal(cache.get([str(k)]), LAYERS + k)
    monkeypatch.undo()
    other = copy.copy(cache)
    other.put(["2"], LAYERS)
    np.testing.assert_array_equal(other.get(["2"]), LAYERS)


def test_no_place_for_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    cache = LayerCache("disk", ROOM)
    with pytest.warns(UserWarning, match=r"stops at 0 bytes: its file in .*gone cannot be"):
        cache.put(["a"], LAYERS)
    cache.put(["b"], LAYERS)
    assert len(cache) == 0
    assert cache.get(["a"]) is None


@given(st.lists(st.lists(st.text(max_size=3), max_size=4), unique_by=tuple, max_size=12))
def test_keys_are_the_words(sentences: list[list[str]]) -> None:
    cache = LayerCache("memory", ROOM)
    for k, words in enumerate(sentences):
        cache.put(words, np.full((1, 1, 1), k, dtype=np.float32))
    for k, words in enumerate(sentences):
        found = cache.get(words)
        assert found is not None
        assert found.item() == k


def trained(weights: Path, steps: int, **elmo: Any) -> tuple[Language, list[Example]]:
    nlp, examples = make(weights, {"projection": 8}, elmo=elmo)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer, drop=0.1)
    return nlp, examples


def cache_of(nlp: Language) -> LayerCache:
    cache: LayerCache = nlp.get_pipe("elmo").model.shims[0].loaded.cache  # type: ignore[attr-defined]
    return cache


def parameters(nlp: Language) -> list[np.ndarray]:
    nodes = nlp.get_pipe("tagger_0").model.walk()  # type: ignore[attr-defined]
    return [np.array(node.get_param(name)) for node in nodes for name in node.param_names]


def test_same_training_but_each_sentence_is_computed_once(
    weights: Path, kind: str, encoded: list[list[str]]
) -> None:
    plain, examples = trained(weights, 10)
    n_sentences = sum(len(example.x) > 0 for example in examples)
    # Before training the pipe reads some, too, to find its sizes.
    for_sizes = len(encoded) - 10 * n_sentences
    encoded.clear()
    nlp, _ = trained(weights, 10, cache=kind)
    assert len(encoded) == for_sizes + n_sentences
    for found, expected in zip(parameters(nlp), parameters(plain), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert tags(nlp) == tags(plain)


def test_same_training_on_a_full_disk(
    weights: Path, encoded: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = trained(weights, 5)
    n_without = len(encoded)
    room = BiLM.from_pretrained(weights).encode([["A"] * 6])[0].nbytes
    encoded.clear()
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **settings: SmallDisk(room))
    with pytest.warns(UserWarning, match="No space left") as caught:
        nlp, _ = trained(weights, 5, cache="disk")
    assert sum("No space left" in str(each.message) for each in caught) == 1
    kept = cache_of(nlp)
    assert 0 < len(kept) < 3
    assert len(encoded) == n_without - 4 * len(kept)
    for found, expected in zip(parameters(nlp), parameters(plain), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_texts_of_evaluation_are_kept_too(weights: Path, encoded: list[list[str]]) -> None:
    nlp, _ = trained(weights, 1, cache="memory")
    held_out = [Example.from_dict(nlp.make_doc("an unseen bank"), {"tags": ["D", "A", "N"]})]
    encoded.clear()
    for _ in range(3):
        nlp.evaluate(held_out)
    assert encoded == [["an", "unseen", "bank"]]


def test_a_pipeline_that_never_trained_keeps_nothing(
    weights: Path, tmp_path: Path, encoded: list[list[str]]
) -> None:
    nlp, _ = trained(weights, 1, cache="memory")
    nlp.to_disk(tmp_path / "saved")
    loaded = spacy.load(tmp_path / "saved")
    encoded.clear()
    for _ in range(2):
        loaded("some text")
    assert len(encoded) == 2


def test_changed_texts_and_annotations_are_read_anew(
    weights: Path, encoded: list[list[str]]
) -> None:
    nlp, examples = trained(weights, 2, cache="memory")
    changed = Example.from_dict(nlp.make_doc("The bank raised fares ."), {})
    encoded.clear()
    nlp.update([*examples, changed], sgd=Adam(0.02))
    assert encoded == [["The", "bank", "raised", "fares", "."]]
    split = examples[0].x.copy()
    split[2].is_sent_start = True
    encoded.clear()
    pipe: Any = nlp.get_pipe("elmo")
    layers = pipe.layers_for([split], pipe.listeners[0])[0].values
    assert encoded == [["The", "bank"], ["raised", "rates", "."]]
    again = pipe.layers_for([split], pipe.listeners[0])[0].values
    assert len(encoded) == 2
    np.testing.assert_array_equal(again, layers)


def test_other_weights_empty_the_cache(weights: Path, tmp_path: Path) -> None:
    nlp, examples = trained(weights, 2, cache="memory")
    assert len(cache_of(nlp)) == 3
    tiny_lm(seed=9).save(tmp_path / "other")
    pipe: Any = nlp.get_pipe("elmo")
    pipe.initialize(weights=str(tmp_path / "other"))
    assert len(cache_of(nlp)) == 0
    pipe.update(tagged(nlp))
    expected = BiLM.from_pretrained(tmp_path / "other").encode([["A", "river", "bank"]])[0]
    np.testing.assert_allclose(cache_of(nlp).get(["A", "river", "bank"]), expected, atol=1e-6)
    nlp.to_disk(tmp_path / "saved")
    nlp.from_disk(tmp_path / "saved")
    assert len(cache_of(nlp)) == 0
    nlp.update(examples)


def test_fine_tuning_does_not_use_it(weights: Path, encoded: list[list[str]]) -> None:
    nlp, _ = trained(weights, 3, cache="memory", frozen=False)
    assert len(cache_of(nlp)) == 0


def test_forked_workers_read_it(weights: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    monkeypatch.setattr("spacy.language.mp", multiprocessing.get_context("fork"))
    nlp, examples = trained(weights, 2, cache=kind)
    texts = [example.x.text for example in examples] * 4 + ["new", "newer"]
    alone = [[token.tag_ for token in doc] for doc in nlp.pipe(texts)]
    docs = nlp.pipe(texts, n_process=2, batch_size=3)
    assert [[token.tag_ for token in doc] for doc in docs] == alone
    losses = [nlp.update(examples, sgd=Adam(0.001), losses={})["tagger_0"] for _ in range(2)]
    assert np.isfinite(losses).all()


def test_many_threads_get_and_put_at_once(kind: str) -> None:
    """Each layer says whose it is; there is room for some of the sentences only."""
    sentences = [[f"w{k}"] * (1 + k % 5) for k in range(60)]
    arrays = [np.full((2, len(words), 8), k, dtype=np.float32) for k, words in enumerate(sentences)]
    cache = LayerCache(kind, sum(array.nbytes for array in arrays[:40]))

    def work(seed: int) -> int:
        found = 0
        for k in np.random.default_rng(seed).permutation(len(sentences) * 10).tolist():
            k %= len(sentences)
            layers = cache.get(sentences[k])
            if layers is None:
                cache.put(sentences[k], arrays[k])
            else:
                np.testing.assert_array_equal(layers, arrays[k])
                found += 1
        return found

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) > 0
    kept = [
        array
        for words, array in zip(sentences, arrays, strict=True)
        if cache.get(words) is not None
    ]
    assert len(kept) == len(cache)
    # A sentence that two threads computed is kept, and counted, once.
    assert cache.n_bytes == sum(array.nbytes for array in kept) <= cache.max_bytes


def test_a_paused_cache_neither_gives_nor_takes(kind: str) -> None:
    cache = LayerCache(kind, ROOM)
    layers = np.ones((1, 1, 1), dtype=np.float32)
    cache.put(["a"], layers)
    with cache.paused():
        assert cache.get(["a"]) is None
        cache.put(["b"], layers)
    assert cache.get(["b"]) is None
    np.testing.assert_array_equal(cache.get(["a"]), layers)
