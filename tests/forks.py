"""Forked children that do something small, and must come to an end."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import pytest

SECONDS = 20


def in_child(work: Callable[[], object]) -> int | None:
    """Exit status of a forked child that does some work: 0, 1 after an exception, None for a child
    that had to be killed because it hung."""
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(SECONDS)
    status = child.exitcode
    if child.is_alive():
        child.kill()
        child.join()
    return status
