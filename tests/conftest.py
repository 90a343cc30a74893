"""Fixtures common to all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

SHARED = Path(__file__).resolve().parents[2] / "shared"
ABSENT = "reference data absent"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(ABSENT)
    return SHARED


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str] | None:
    """Tests without their reference data are a kind of their own, told in one line at the end."""
    if report.skipped and isinstance(report.longrepr, tuple) and ABSENT in report.longrepr[2]:
        return "without reference data", "s", "SKIPPED"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests could not run for want of the reference data."""
    missed = len(terminalreporter.stats.get("without reference data", []))
    if missed:
        tests = "1 test needs" if missed == 1 else f"{missed} tests need"
        terminalreporter.write_line(
            f"{tests} the reference data of ../shared, which is not here: published weights and "
            "texts. tests/goldens holds numbers of the original implementations of its own."
        )


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: on a busy machine the waiting for each other of several threads makes
    small operations a hundred times slower."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
