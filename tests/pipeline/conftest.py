"""A small random language model on disk, and pipelines with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language

from spacy_elmo.pipeline import factory  # noqa: F401  (registers the factory)
from tests.tiny import tiny_lm


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native directory."""
    path = tmp_path_factory.mktemp("weights") / "random"
    tiny_lm().save(path)
    return path


@pytest.fixture
def make_nlp(weights: Path) -> Callable[..., Language]:
    """Makes a blank English pipeline with `elmo`. Arguments are the component's; `model` adds to
    its model's."""

    def make(*, model: dict[str, Any] | None = None, **config: Any) -> Language:
        nlp = spacy.blank("en")
        nlp.add_pipe("elmo", config={"model": {"weights": str(weights), **(model or {})}, **config})
        return nlp

    return make


@pytest.fixture
def nlp(make_nlp: Callable[..., Language]) -> Language:
    """A blank English pipeline with `elmo` as it comes."""
    return make_nlp()
