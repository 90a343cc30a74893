"""Pipelines that label senses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from spacy.language import Language

from tests.pipeline.senses.made_up import examples


@pytest.fixture
def make_senses(make_nlp: Callable[..., Language]) -> Callable[..., Language]:
    """Makes a pipeline with `elmo` and `elmo_senses`, which has learned nothing. Arguments are the
    latter's; `elmo` are the former's."""

    def make(*, elmo: dict[str, Any] | None = None, **config: Any) -> Language:
        nlp = make_nlp(**(elmo or {}))
        nlp.add_pipe("elmo_senses", config=config)
        return nlp

    return make


@pytest.fixture
def senses(make_senses: Callable[..., Language]) -> Language:
    """A pipeline that has learned the senses of "bank"."""
    nlp = make_senses()
    nlp.initialize(lambda: examples(nlp))
    return nlp
