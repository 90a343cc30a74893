"""Fixtures common to all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; the test is skipped where it is absent."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"reference data absent: {path}")
    return path


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: on a busy machine the waiting for each other of several threads makes
    small operations a hundred times slower."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
