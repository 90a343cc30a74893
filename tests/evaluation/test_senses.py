"""CoarseWSD-20 by the classifiers of the component."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from evaluation import senses
from evaluation.coarsewsd import read_all
from evaluation.senses import Encoded, accuracy, few, mean_of, write_docbins
from spacy_elmo import BiLM


def test_accuracy() -> None:
    east, north = np.float32([[1, 0], [1, 0]]), np.float32([[0, 1], [0, 1]])
    train = np.stack([east, east, north])
    word = Encoded(train, np.array([0, 0, 1]), np.stack([east, north, east]), np.array([0, 1, -1]))
    other = Encoded(train, np.array([0, 0, 1]), north[None], np.array([1]))
    found = accuracy({"a": word, "b": other}, np.zeros(2, np.float32), "knn", "both")
    assert found.all == 3 / 4
    assert found.macro == pytest.approx((2 / 3 + 1) / 2)


def test_a_few_of_each_sense() -> None:
    numbers = np.array([0] * 9 + [1] * 2 + [2] * 5)
    chosen = few(numbers, 3, 0)
    assert np.bincount(numbers[chosen]).tolist() == [3, 2, 3]
    assert len(set(chosen)) == len(chosen)
    assert chosen.tolist() == few(numbers, 3, 0).tolist()
    assert chosen.tolist() != few(numbers, 3, 1).tolist()


def test_docbins(wsd_folder: Path, tmp_path: Path) -> None:
    write_docbins(read_all(wsd_folder), tmp_path / "new")
    docs = list(DocBin().from_disk(tmp_path / "new" / "dev.spacy").get_docs(Vocab()))
    assert [[(s.text, s.label_) for s in doc.spans["senses"]] for doc in docs] == [
        [("bank", "bank: 0")],
        [("bank", "bank: 1")],
    ]
    assert docs[0].has_unknown_spaces


def test_the_command(
    wsd_folder: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    with pytest.raises(SystemExit, match="carry no mean"):
        mean_of(BiLM.from_pretrained(weights))
    lm = BiLM.from_pretrained(weights)
    lm.measure_mean([["some", "text"]])
    lm.save(tmp_path / "lm")
    senses.main(
        str(tmp_path / "lm"),
        wsd_folder,
        ["ridge", "centroid"],
        ["both"],
        [1, 2],
        docbin=None,
        json=out,
    )
    rows = json.loads(out.read_text())["values"]
    assert [row["classifier"] for row in rows] == ["ridge", "centroid"]
    assert rows[1]["macro"] == 1.0  # the test sentences are among the training ones
    assert set(rows[0]["per_sense"]) == {"1", "2"}
    assert "| ridge" in capsys.readouterr().out
