"""A lock that a fork never leaves locked in the child."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from spacy_elmo.fork_lock import ForkLock
from tests.forks import SECONDS, in_child


class Counter:
    """Counts in a way that is half done while the lock is held."""

    def __init__(self) -> None:
        self.lock = ForkLock(self.repair)
        self.half_done = False

    def repair(self) -> None:
        self.half_done = False


@contextmanager
def held_by_a_thread(counter: Counter) -> Iterator[None]:
    held, release = Event(), Event()

    def hold() -> None:
        with counter.lock:
            counter.half_done = True
            held.set()
            release.wait(SECONDS)
            counter.half_done = False

    thread = Thread(target=hold)
    thread.start()
    assert held.wait(SECONDS)
    try:
        yield
    finally:
        release.set()
        thread.join()


def test_a_lock_held_by_another_thread_is_open_in_the_child() -> None:
    counter = Counter()

    def use() -> None:
        assert not counter.half_done, "what the lock guards has been repaired"
        for _ in range(2):
            with counter.lock:
                pass

    with held_by_a_thread(counter):
        assert in_child(use) == 0
        assert counter.half_done, "nothing changes in the parent"


def test_a_lock_that_was_open_is_left_as_it_is() -> None:
    counter = Counter()
    counter.half_done = True  # to be seen if `repair` is called

    def use() -> None:
        assert counter.half_done
        with counter.lock:
            pass

    assert in_child(use) == 0


def test_the_thread_that_forks_goes_on_holding_its_lock() -> None:
    counter = Counter()

    def release() -> None:
        assert counter.half_done
        counter.lock.__exit__(None, None, None)
        with counter.lock:
            pass

    with counter.lock:
        counter.half_done = True
        assert in_child(release) == 0


def test_it_locks() -> None:
    counter = Counter()
    entered = Event()

    def enter() -> None:
        with counter.lock:
            entered.set()

    with counter.lock:
        thread = Thread(target=enter)
        thread.start()
        assert not entered.wait(0.05)
    thread.join(SECONDS)
    assert entered.is_set()


@pytest.mark.parametrize("copying", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_is_not_copied(copying) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        copying(ForkLock())
