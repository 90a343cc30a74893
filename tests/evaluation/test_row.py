"""Rows of the comparison, and the tables of them."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from evaluation.row import add_row, fingerprint, fingerprint_of_vectors, main, read_rows
from evaluation.rows import plan
from evaluation.table import comparison, mixes, static
from evaluation.tasks import TASKS
from scripts import convert
from tests.evaluation.made_up import SMOKE
from tests.tiny import tiny_lm


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The sentences of the smoke test in place of UD English EWT."""
    convert.main("smoke", SMOKE / "tagged", tmp_path / "ewt")
    (tmp_path / "ewt" / "dev.spacy").rename(tmp_path / "ewt" / "test.spacy")
    docs = list(DocBin().from_disk(tmp_path / "ewt" / "test.spacy").get_docs(Vocab()))
    DocBin(docs=docs[:5]).to_disk(tmp_path / "ewt" / "dev.spacy")
    return tmp_path


def test_rows_and_tables(data: Path, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    results = data / "rows.json"

    def row(
        side: str,
        mix: str = "learned",
        width: int | None = None,
        context: bool = False,
        vectors: Path | None = None,
    ) -> None:
        main("tagging", side, 0.5, 0, 10, weights, mix, width, context, vectors, data, results)

    row("tok2vec")
    for mix in ("learned", "average", "last"):
        row("elmo", mix)
    rows = srsly.read_json(results)
    assert [r["n_train"] for r in rows] == [52] * 4
    assert all(0 < r["score"] < 1 and r["words_per_second"] > 0 for r in rows)
    tok2vec, learned, average, last = rows
    assert tok2vec["mixes"] == {}
    assert "score_bfloat16" not in tok2vec
    assert all(abs(r["score_bfloat16"] - r["score"]) < 0.01 for r in (learned, average, last))
    layers = {r["mix"]: r["mixes"]["tagger"]["layers"] for r in (learned, average, last)}
    assert layers["last"] == [0.0, 0.0, 1.0]
    np.testing.assert_allclose(layers["average"], [1 / 3] * 3, atol=2e-3)
    assert layers["learned"] != layers["average"]
    assert {r["weights"] for r in (learned, average, last)} == {fingerprint(weights)}
    before = results.read_bytes()
    row("elmo")
    assert results.read_bytes() == before
    assert "has this row" in capsys.readouterr().out
    assert "| 50% (52) " in comparison(rows)
    assert "0.00 0.00 1.00" not in mixes(rows)
    assert f"{100 * last['score']:.2f}" in mixes(rows)
    for side in ("tok2vec", "elmo"):
        row(side, width=16)
    row("elmo", context=True)
    rows = srsly.read_json(results)
    assert [r.get("width") for r in rows] == [None] * 4 + [16] * 2 + [None]
    assert [r.get("context", False) for r in rows] == [False] * 6 + [True]
    assert rows[-1]["score"] != learned["score"]
    tables = comparison(rows), mixes(rows)
    static_vectors = some_vectors(data)
    for side in ("tok2vec", "elmo"):
        row(side, vectors=static_vectors)
    rows = srsly.read_json(results)
    name = fingerprint_of_vectors(static_vectors)
    assert [r.get("vectors") for r in rows] == [None] * 7 + [name] * 2
    assert (comparison(rows), mixes(rows)) == tables
    with_vectors = [r["score"] for r in rows[-2:]]
    assert with_vectors != [tok2vec["score"], learned["score"]]
    scores = (tok2vec["score"], with_vectors[0], learned["score"], with_vectors[1])
    cells = [cell.strip() for cell in static(rows).splitlines()[-1].split("|")[4:8]]
    assert cells == [f"{100 * score:.2f}" for score in scores]


def some_vectors(folder: Path) -> Path:
    """Static vectors of the words there are, in a folder as `spacy init vectors` writes it."""
    docs = DocBin().from_disk(folder / "ewt" / "train.spacy").get_docs(Vocab())
    nlp, rng = spacy.blank("en"), np.random.default_rng(0)
    for word in sorted({token.text for doc in docs for token in doc}):
        nlp.vocab.set_vector(word, rng.normal(size=8).astype(np.float32))
    nlp.to_disk(folder / "static")
    return folder / "static"


def test_processes_share_a_file_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.json"
    rows = [{"task": "ner", "side": "tok2vec", "seed": seed} for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: add_row(path, row), [*rows, *rows]))
    assert sorted(row["seed"] for row in read_rows(path)) == list(range(8))


def test_weights_are_told_apart_by_their_content(tmp_path: Path) -> None:
    path, copy = tmp_path / "bilm", tmp_path / "copy" / "bilm"
    tiny_lm().save(path)
    shutil.copytree(path, copy)
    (copy / "README.md").write_text("Others may write here.")
    (copy / "training").mkdir()
    before = fingerprint(str(path))
    assert fingerprint(str(copy)) == before
    name, _, digest = before.partition("@")
    assert (name, len(digest)) == ("bilm", 8)
    lm = tiny_lm()
    with torch.no_grad():
        next(lm.parameters()).add_(1)
    lm.save(path)
    assert fingerprint(str(path)) != before
    # A file alone, too.
    lm.save(tmp_path / "bilm.hdf5")
    assert fingerprint(str(tmp_path / "bilm.hdf5")).startswith("bilm.hdf5@")


def test_every_row_is_planned_once() -> None:
    rows = [tuple(arguments) for arguments in plan()]
    assert len(rows) == len(set(rows)) == (3 * 4 + 2) * (3 + 1 + 1 + 1) + 2 * 3
    english = {name for name, task in TASKS.items() if task.lang == "en"}
    assert {arguments[0] for arguments in rows} == english
    assert [row[:2] for row in plan("tagging-de")][:2] == [
        ["tagging-de", "tok2vec"],
        ["tagging-de", "elmo"],
    ]
