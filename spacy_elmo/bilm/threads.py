"""Independent jobs in a Python thread each, sharing out PyTorch's threads among them.

PyTorch spends its threads inside one operation at a time, and the operations of a recurrent step
are so small that much of that is waiting for each other. Jobs that do not depend on each other,
each with a share of the threads, need not wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


class _Shared:
    """PyTorch's thread count is one for the process, so concurrent callers must agree on it: the
    first sets it, the last puts back what it found."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.n_threads = 1
        self.pool: ThreadPoolExecutor | None = None

    @contextmanager
    def threads(self, n_jobs: int) -> Iterator[ThreadPoolExecutor | None]:
        """A pool for all jobs but the first, or None where they have to take turns."""
        with self.lock:
            if self.users == 0:
                self.n_threads = torch.get_num_threads()
            share = self.n_threads // n_jobs
            if share == 0:
                pool = None
            else:
                self.users += 1
                torch.set_num_threads(share)
                if self.pool is None:
                    self.pool = ThreadPoolExecutor(self.n_threads, "spacy-elmo")
                pool = self.pool
        try:
            yield pool
        finally:
            if pool is not None:
                with self.lock:
                    self.users -= 1
                    if self.users == 0:
                        torch.set_num_threads(self.n_threads)


_shared = _Shared()


def _after_fork() -> None:
    """A forked child has none of its parent's threads: nobody is running, and the pool is gone."""
    global _shared
    if _shared.users:
        torch.set_num_threads(_shared.n_threads)
    _shared = _Shared()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run_side_by_side(jobs: Sequence[Callable[[], None]]) -> None:
    """Run jobs at the same time, or one after the other where PyTorch has too few threads.

    Every job has ended when this returns or raises; the first job's exception comes first.
    """
    if len(jobs) < 2:
        for job in jobs:
            job()
        return
    with _shared.threads(len(jobs)) as pool:
        if pool is None:
            for job in jobs:
                job()
            return
        inference = torch.is_inference_mode_enabled()
        others = [pool.submit(_run, job, inference) for job in jobs[1:]]
        try:
            jobs[0]()
        finally:
            errors = [other.exception() for other in others]
        for error in errors:
            if error is not None:
                raise error


def _run(job: Callable[[], None], inference: bool) -> None:
    # Whether gradients are recorded is each thread's own setting.
    with torch.inference_mode(inference):
        job()
