"""Independent jobs in a Python thread each, sharing out PyTorch's threads among them.

PyTorch spends its threads inside one operation at a time, and the operations of a recurrent step
are so small that much of that is waiting for each other. Jobs that do not depend on each other,
each with a share of the threads, need not wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

Result = TypeVar("Result")


class _Pools:
    """Python threads to run jobs in, by the number of jobs and the PyTorch threads of each.

    PyTorch's thread count is a setting of each Python thread, besides the one for new threads. So
    the pool's threads have theirs for good, and that of the callers is never touched: however many
    there are, and however they end, there is nothing to put back.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pools: dict[tuple[int, int], ThreadPoolExecutor] = {}

    def get(self, n_jobs: int, share: int) -> ThreadPoolExecutor:
        """A pool of `n_jobs` threads, with `share` threads of PyTorch's for each."""
        with self.lock:
            pool = self.pools.get((n_jobs, share))
            if pool is None:
                pool = self.pools[n_jobs, share] = _start_pool(n_jobs, share)
            return pool


def _start_pool(n_jobs: int, share: int) -> ThreadPoolExecutor:
    n_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_jobs, "spacy-elmo", _set_share, (share,))
    all_there = threading.Barrier(n_jobs + 1)
    try:
        for _ in range(n_jobs):
            pool.submit(all_there.wait)
        all_there.wait()
    except RuntimeError:  # no more threads to be had, or the interpreter is about to end
        # Those that did start would wait for the others for ever, and the interpreter for them.
        all_there.abort()
        pool.shutdown(wait=False)
        raise
    finally:
        # Setting theirs, they have for a moment also set what new threads of the process begin
        # with.
        torch.set_num_threads(n_threads)
    return pool


def _set_share(share: int) -> None:
    # The first operation of a thread gives it the process's thread count, over what was set before.
    # Asking counts as the first one; without it the products run 15 % slower, on threads too many.
    torch.get_num_threads()
    torch.set_num_threads(share)


_pools = _Pools()


def _after_fork() -> None:
    """A forked child has none of its parent's threads, neither the pools' nor PyTorch's own.

    OpenMP does not notice, and waits for them for ever as soon as an operation is worth more than
    one thread. So the child has one, as in PyTorch's own data loaders.
    """
    global _pools
    _pools = _Pools()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run_side_by_side(
    jobs: Sequence[Callable[[], Result]], *, share: int | None = None
) -> list[Result]:
    """Run jobs at the same time, or one after the other where there are too few threads.

    PyTorch may have too few, the system may have none left, and an interpreter that is about to end
    starts none, while functions of `atexit` and threads that go on may still compute.

    Every job has ended when this returns or raises (unless it is interrupted); the first job's
    exception comes first.

    Args:
        jobs: What to run.
        share: Threads of PyTorch's for each job; None: as many as there are for each.

    Returns:
        What the jobs returned, in their order.
    """
    if share is None:
        share = torch.get_num_threads() // max(1, len(jobs))
    if len(jobs) < 2 or share == 0:
        return [job() for job in jobs]
    inference = torch.is_inference_mode_enabled()
    running: list[Future[Result]] = []
    try:
        pool = _pools.get(len(jobs), share)
        for job in jobs:
            running.append(pool.submit(_run, job, inference))
    except RuntimeError:
        pass  # no threads: the rest is run here
    here = [_outcome(job) for job in jobs[len(running) :]]
    wait(running)
    return [each.result() for each in (*running, *here)]


def _outcome(job: Callable[[], Result]) -> Future[Result]:
    """Run a job here and now; its result or exception in the form that a pool gives it."""
    outcome: Future[Result] = Future()
    try:
        outcome.set_result(job())
    except Exception as error:
        outcome.set_exception(error)
    return outcome


def _run(job: Callable[[], Result], inference: bool) -> Result:
    # Whether gradients are recorded is each thread's own setting.
    with torch.inference_mode(inference):
        return job()
