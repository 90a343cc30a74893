"""Distilled vectors against word2vec, on data whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluation.distilled import correlation, main, read_pairs, tagging
from tests.evaluation.made_up import SMOKE


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Judgements of two workers, and a treebank of three words."""
    item = {
        "sentence_1": "The bank closed.",
        "sentence_2": "The Shore, grassy",
        "highlights_1": [1],
        "highlights_2": [1],
    }
    same = {**item, "sentence_2": "A bank", "rating": "50"}
    several = {**item, "highlights_2": [0, 1], "rating": "50"}
    other = {**item, "sentence_2": "She said"}
    workers = {
        "0": {"judgements": {"a": {**item, "rating": "80"}, "b": same, "c": several}},
        "1": {
            "judgements": {
                "a": {**item, "rating": "60"},
                "d": {**other, "highlights_2": 1, "rating": "0"},
            }
        },
    }
    (tmp_path / "polysemesim").mkdir()
    path = tmp_path / "polysemesim" / "polyseme_similarity.json"
    path.write_text(json.dumps(workers), encoding="utf8")
    tags = {"the": "DT", "bank": "NN", "said": "VBD"}
    (tmp_path / "ud-english-ewt").mkdir()
    for split in ("train", "test"):
        rows = [
            f"{k}\t{w}\t{w}\tX\t{t}\t_\t0\troot\t_\t_" for k, (w, t) in enumerate(tags.items(), 1)
        ]
        text = ("\n".join(rows) + "\n\n") * 50
        (tmp_path / "ud-english-ewt" / f"en_ewt-ud-{split}.conllu").write_text(text)
    return tmp_path


def test_measures(data: Path) -> None:
    pairs = read_pairs(data / "polysemesim" / "polyseme_similarity.json")
    assert pairs == [("bank", "shore", 70.0), ("bank", "said", 0.0)]
    table = dict(zip(["bank", "shore", "said", "the"], np.eye(4, dtype=np.float32), strict=True))
    table["shore"] = table["bank"] + 0.1
    pytest.importorskip("scipy", reason="rank correlation")
    assert correlation(table, pairs) == (pytest.approx(1.0), 2)
    assert tagging(table, data / "ud-english-ewt") == 1.0


def test_the_command(data: Path, weights: str, tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="rank correlation")
    pytest.importorskip("gensim", reason="word2vec")
    out = tmp_path / "figures.json"
    main([SMOKE / "text.txt"], weights=weights, n_words=300, contexts=3, data=data, json=out)
    values = json.loads(out.read_text())["values"]
    assert set(values) >= {"word2vec", "distilled, average"}
    assert all(0 <= row["tagging"] <= 1 for row in values.values())
