"""BLiMP."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluation import blimp
from evaluation.blimp import Accuracy, MinimalPair, evaluate_blimp, mean, read_blimp
from spacy_elmo import BiLM
from tests.bilm.scoring.models import with_softmax
from tests.tiny import tiny_lm

WORDS = ["<S>", "</S>", "<UNK>", "The", "cats", "sleep", "sleeps", "."]
GOOD = ["The cats sleep.", "Cats don't sleep.", "They sleep."]
BAD = ["The cats sleeps.", "Cats doesn't sleep.", "They sleeps."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("agreement", "other"):
        lines = [
            json.dumps({"sentence_good": good, "sentence_bad": bad})
            for good, bad in zip(GOOD, BAD, strict=True)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf8")
    return tmp_path


def test_sentences_in_the_words_of_spacy(folder: Path) -> None:
    found = read_blimp(folder, limit=2)
    assert list(found) == ["agreement", "other"]
    assert found["other"][1] == MinimalPair(
        ["Cats", "do", "n't", "sleep", "."], ["Cats", "does", "n't", "sleep", "."]
    )
    assert len(found["other"]) == 2
    with pytest.raises(SystemExit, match="holds no BLiMP"):
        read_blimp(folder / "agreement.jsonl")


def test_the_more_probable_sentence_is_chosen(folder: Path) -> None:
    lm = with_softmax(tiny_lm(), WORDS)
    pairs = read_blimp(folder)["agreement"]
    found = evaluate_blimp(lm, pairs)
    right: dict[str, list[bool]] = {"forward": [], "backward": [], "both": []}
    for pair in pairs:
        sums = []
        for words in pair:
            (score,) = lm.score([words])
            assert score.backward is not None
            sums.append((score.forward.sum(), score.backward.sum()))
        (good, good_back), (bad, bad_back) = sums
        right["forward"].append(good > bad)
        right["backward"].append(good_back > bad_back)
        right["both"].append(good + good_back > bad + bad_back)
    assert found == Accuracy(**{name: float(np.mean(each)) for name, each in right.items()})


def test_a_forward_only_model_has_one_figure(folder: Path) -> None:
    lm = with_softmax(tiny_lm(bidirectional=False), WORDS)
    found = evaluate_blimp(lm, read_blimp(folder)["agreement"])
    assert found.backward is found.both is None
    assert mean({"a": Accuracy(0.5, None, None), "b": Accuracy(1.0, None, None)}) == Accuracy(
        0.75, None, None
    )


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_softmax(tiny_lm(), WORDS).save(tmp_path / "weights")
    out = tmp_path / "figures.json"
    blimp.main(str(tmp_path / "weights"), folder, initial_state=None, limit=2, json=out)
    values = json.loads(out.read_text("utf8"))["values"]
    assert [row["paradigm"] for row in values] == ["agreement", "other", "mean of the paradigms"]
    lm = BiLM.from_pretrained(tmp_path / "weights")
    wanted = evaluate_blimp(lm, read_blimp(folder, 2)["other"])
    assert values[1]["both"] == wanted.both
    assert "| paradigm" in capsys.readouterr().out
