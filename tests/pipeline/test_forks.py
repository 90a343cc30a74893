"""Fork while another thread loads, computes or fills a cache: the child works, and works right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from spacy.language import Language

from spacy_elmo.bilm.inference import encoder as encoder_module
from spacy_elmo.bilm.inference.cache import TokenCache
from spacy_elmo.pipeline.model.layer_cache import LayerCache
from spacy_elmo.pipeline.model.source import Source
from tests.forks import SECONDS, in_child

Make = Callable[..., Language]
TEXTS = ["They sat on the river bank .", "The bank raised its rates ."]


class Halting:
    """Stands for a function, halts the first call of it, and then calls it as ever."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.reached, self.go_on = Event(), Event()
        self.is_first = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.is_first:
            self.is_first = False
            self.reached.set()
            assert self.go_on.wait(SECONDS)
        return self.function(*args, **kwargs)


@contextmanager
def halted(halting: Halting, work: Callable[[], object]) -> Iterator[None]:
    """Inside the block, a thread that does some work stands still in the middle of it."""
    thread = Thread(target=work)
    thread.start()
    try:
        assert halting.reached.wait(SECONDS)
        yield
    finally:
        halting.go_on.set()
        thread.join(SECONDS)
    assert not thread.is_alive()


def as_method(halting: Halting) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: halting(self, *args, **kwargs)


def check(nlp: Language, expected: list[np.ndarray]) -> None:
    for text, vectors in zip(TEXTS, expected, strict=True):
        np.testing.assert_allclose(nlp(text)._.elmo_vectors, vectors, atol=1e-6)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("place", ["loading", "engine", "token cache", "rows of the token cache"])
def test_a_child_forked_in_the_middle(
    make_nlp: Make, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    expected = [np.array(doc._.elmo_vectors) for doc in make_nlp().pipe(TEXTS)]
    owner, name = {
        "loading": (Source, "load"),
        "engine": (encoder_module, "Engine"),
        "token cache": (TokenCache, "_embed"),
        "rows of the token cache": (TokenCache, "_with"),
    }[place]
    nlp = make_nlp()
    if "cache" in place:
        nlp("The")  # the engine is made, and knows some words
    halting = Halting(getattr(owner, name))
    replacement = halting if owner is encoder_module else as_method(halting)
    monkeypatch.setattr(owner, name, replacement)
    with halted(halting, partial(nlp, TEXTS[0])):
        for _ in range(2):
            assert in_child(partial(check, nlp, expected)) == 0
    check(nlp, expected)


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_the_layer_cache(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = LayerCache(kind, 10**6)
    layers = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    cache.put(["kept", "before"], layers)
    halting = Halting(cache._keep)
    monkeypatch.setattr(cache, "_keep", halting)

    def use() -> None:
        np.testing.assert_array_equal(cache.get(["kept", "before"]), layers)
        assert cache.get(["not", "yet"]) is None
        cache.put(["child", "own"], layers)  # kept or not, it comes to an end

    with halted(halting, partial(cache.put, ["not", "yet"], layers + 1)):
        assert in_child(use) == 0
    np.testing.assert_array_equal(cache.get(["not", "yet"]), layers + 1)


def test_working_threads_beside_many_forks(make_nlp: Make) -> None:
    nlp = make_nlp(type_cache_size=8)  # so that the cache is always being filled
    expected = [np.array(nlp(text)._.elmo_vectors) for text in TEXTS]
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            for text in TEXTS:
                nlp(text)

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        statuses = [in_child(partial(check, nlp, expected)) for _ in range(8)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses == [0] * 8
