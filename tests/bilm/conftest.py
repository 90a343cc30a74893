"""Fixtures of the network's tests."""

from collections.abc import Iterator

import pytest

from spacy_elmo.bilm.kernels import loader


@pytest.fixture(scope="module", params=["compiled", "pytorch"])
def kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test twice: with the compiled kernels, and with PyTorch in their place."""
    if request.param == "compiled" and not loader.offered():
        pytest.skip("the compiled kernels were not built")
    with loader.use(loader.offered()[-1] if request.param == "compiled" else loader.OFF):
        yield
