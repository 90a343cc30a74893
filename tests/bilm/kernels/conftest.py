"""Fixtures of the kernels' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spacy_elmo.bilm.kernels import loader


@pytest.fixture(scope="module", params=[*loader.offered(), loader.OFF])
def choice(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each set of this machine, and PyTorch."""
    with loader.use(request.param):
        yield request.param
