"""Jobs side by side, where threads are to be had and where they are not."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from spacy_elmo.bilm.inference import threads
from spacy_elmo.bilm.inference.threads import run_side_by_side

# Encodes once, with a pool, and then again while the interpreter ends.
PRELUDE = """
import atexit, sys, threading
import numpy as np, torch
torch.set_num_threads(2)
from tests.tiny import tiny_lm
lm = tiny_lm()
words = [["They", "sat", "on", "the", "bank"], ["The", "bank"]]

def check():
    for found, expected in zip(lm.encode(words), before, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    print("same vectors", flush=True)
"""


def run(script: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", PRELUDE + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Error" not in result.stderr
    return result.stdout


def test_at_the_end_of_the_interpreter() -> None:
    """A thread that is no daemon goes on, and then functions of `atexit` are called."""
    output = run("""
before = lm.encode(words)

def at_the_end():
    threading.main_thread().join()  # ended, and with it the start of new threads
    check()
    lm.weights_changed()  # the type cache is filled by jobs side by side, too
    check()

atexit.register(check)
threading.Thread(target=at_the_end).start()
""")
    assert output.count("same vectors") == 3


def test_a_second_thread_that_cannot_start() -> None:
    output = run("""
torch.set_num_threads(1)
before = lm.encode(words)
torch.set_num_threads(2)
start, started = threading.Thread.start, []

def few(self):
    if len(started) == 1:
        raise RuntimeError("can't start new thread")
    started.append(self)
    start(self)

threading.Thread.start = few
check()
threading.Thread.start = start
check()  # a pool again
""")
    assert output.count("same vectors") == 2


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Lets a pool take so many jobs and no more."""
    room = [0]
    monkeypatch.setattr(threads, "_pools", threads._Pools())
    submit = threads.ThreadPoolExecutor.submit

    def submit_some(self, function, *arguments):  # type: ignore[no-untyped-def]
        if function is threads._run:
            if room[0] == 0:
                raise RuntimeError("cannot schedule new futures after interpreter shutdown")
            room[0] -= 1
        return submit(self, function, *arguments)

    monkeypatch.setattr(threads.ThreadPoolExecutor, "submit", submit_some)
    yield room
    for pool in threads._pools.pools.values():
        pool.shutdown()


@pytest.mark.parametrize("n_in_threads", [0, 1, 2, 3])
def test_results_in_order_and_each_job_once(no_threads: list[int], n_in_threads: int) -> None:
    no_threads[0] = n_in_threads
    calls: list[tuple[int, bool]] = []

    def job(k: int) -> int:
        calls.append((k, threading.current_thread() is threading.main_thread()))
        return k * k

    jobs = [lambda k=k: job(k) for k in range(3)]  # type: ignore[misc]
    assert run_side_by_side(jobs, share=1) == [0, 1, 4]
    assert sorted(calls) == [(k, k >= n_in_threads) for k in range(3)]


@pytest.mark.parametrize("n_in_threads", [0, 1, 2])
def test_every_job_ends_before_the_first_exception(
    no_threads: list[int], n_in_threads: int
) -> None:
    no_threads[0] = n_in_threads
    ended = []

    def fail() -> None:
        raise RuntimeError("the job's own")

    jobs = [fail, lambda: ended.append(1)]
    with pytest.raises(RuntimeError, match="the job's own"):
        run_side_by_side(jobs, share=1)
    assert ended == [1]
