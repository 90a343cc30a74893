"""Models and texts for the tests of embedding."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_elmo import BiLM
from tests.tiny import tiny_lm

TEXTS = [
    "The bank  raised its rates .",
    "",
    "Hello",
    "either / or",
    "Hello",
    "   ",
    "They sat on the river bank. The bank was grassy!",
    "straße 銀行 🏦",
]


@pytest.fixture(scope="session")
def lm() -> BiLM:
    return tiny_lm()


@pytest.fixture
def suffix(request: pytest.FixtureRequest) -> str:
    """Of an output; the test is skipped where the format needs a package that is not there."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    return str(request.param)


@pytest.fixture(scope="session")
def weights(lm: BiLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, saved."""
    path = tmp_path_factory.mktemp("weights") / "tiny"
    lm.save(path)
    return path
