"""A cache folder of the test's own, a web server, and a small model on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.catalogue import entries, transfer
from tests.catalogue.server import Site, serving, without_proxies
from tests.tiny import tiny_lm

MakeCatalogue = Callable[[dict[str, dict[str, Any]]], None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, empty; and no waiting between tries."""
    monkeypatch.setenv("SPACY_ELMO_HOME", str(tmp_path / "home"))
    without_proxies(monkeypatch)
    monkeypatch.setattr(transfer, "WAIT", 0.0)
    return tmp_path / "home"


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """`tiny_weights.hdf5` and `tiny_options.json` of a random model."""
    folder = tmp_path_factory.mktemp("published")
    tiny_lm().save(folder / "tiny_weights.hdf5")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def site(model_files: dict[str, bytes]) -> Iterator[Site]:
    """A server that has the model."""
    with serving(Site(files=dict(model_files))) as site:
        yield site


@pytest.fixture
def make_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeCatalogue]:
    """Puts another catalogue in place of the package's."""

    def make(models: dict[str, dict[str, Any]]) -> None:
        defaults = {"format": "hdf5", "licence": "CC0", "source": "a test"}
        path = tmp_path / f"catalogue{len(list(tmp_path.iterdir()))}.json"
        values = {
            "format": entries.MARKER,
            "version": entries.VERSION,
            "models": {name: {**defaults, **facts} for name, facts in models.items()},
            "unreadable": {},
        }
        path.write_text(json.dumps(values), "utf8")
        monkeypatch.setattr(entries, "DATA", path)
        entries._by_url.cache_clear()

    yield make
    entries._by_url.cache_clear()


@pytest.fixture
def published(site: Site, make_catalogue: MakeCatalogue) -> str:
    """Name of the model in a catalogue of its own: Norwegian, trained on lemmas."""
    files = [
        {"name": "tiny_weights.hdf5", "role": "weights", "url": site.url("tiny_weights.hdf5")},
        {"name": "tiny_options.json", "role": "options", "url": site.url("tiny_options.json")},
    ]
    facts = {"files": files, "lang": "no", "tokenisation": "lemmas", "tokenizer": "UDPipe"}
    make_catalogue({"tiny_no": facts})
    return "tiny_no"
