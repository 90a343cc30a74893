"""A pipeline with a small random language model, Docs, and a browser where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from tests.pipeline.scored import scored_weights

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MONEY = (
    "The bank raised its rates again .",
    "She asked the bank for a loan .",
    "A bank in London failed .",
    "He put money in the bank .",
)
SHORE = (
    "They sat on the river bank .",
    "Trees grew along the bank of the stream .",
    "The muddy bank was wet .",
    "Cows drank at the bank .",
)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native directory with a softmax."""
    return scored_weights(tmp_path_factory.mktemp("weights") / "random")


@pytest.fixture
def make_nlp(weights: Path) -> Callable[..., Language]:
    """Makes a blank pipeline of a language with `elmo`, which keeps scores."""

    def make(language: str = "en", *, score: bool = True) -> Language:
        nlp = spacy.blank(language)
        nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, "score": score})
        return nlp

    return make


@pytest.fixture
def nlp(make_nlp: Callable[..., Language]) -> Language:
    return make_nlp()


@pytest.fixture
def docs(nlp: Language) -> list[Doc]:
    """Eight Docs with the word "bank", the first four of money."""
    return list(nlp.pipe([*MONEY, *SHORE]))


@pytest.fixture
def labelled(docs: list[Doc]) -> list[Doc]:
    """The same with senses as span groups."""
    for k, doc in enumerate(docs):
        (place,) = (token.i for token in doc if token.text == "bank")
        doc.spans["senses"] = [Span(doc, place, place + 1, label="money" if k < 4 else "shore")]
    return docs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A folder of a training with a log."""
    folder = tmp_path / "my <model>"
    (folder / "training").mkdir(parents=True)
    lines = [
        '{"step": 5, "tokens": 100, "loss": [5.0, 5.2]}',
        '{"step": 10, "tokens": 200, "heldout": [90.0, 95.0], "heldout_average": 92.5}',
        '{"step": 15, "tokens": 300, "loss": [3.0, 3.2]}',
    ]
    (folder / "training" / "log.jsonl").write_text("\n".join([*lines, ""]))
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; the test is skipped where there is none, or nothing to drive it with."""
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright to drive a browser with")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with api.sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, as whom a container runs.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()
