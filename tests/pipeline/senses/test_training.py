"""`spacy train`, the disk and `spacy evaluate` in another process, against `evaluation`."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.coarsewsd import Data, read_all
from evaluation.readers import Marked, Sense
from evaluation.senses import accuracy, encode_all, mean_of, write_docbins
from spacy_elmo import BiLM
from tests.tiny import tiny_lm

CONFIG = """
[nlp]
lang = "en"
pipeline = ["elmo", "elmo_senses"]

[components]

[components.elmo]
factory = "elmo"

[components.elmo.model]
@architectures = "spacy-elmo.BiLM.v1"
weights = "{weights}"

[components.elmo_senses]
factory = "elmo_senses"
classifier = "{classifier}"
view = "{view}"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = "train.spacy"

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "dev.spacy"

[training]
max_steps = 1
eval_frequency = 1
train_corpus = "corpora.train"
dev_corpus = "corpora.dev"
"""


def spacy_command(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spacy", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def trained_accuracy(folder: Path, data: Data, weights: str, classifier: str, view: str) -> float:
    """Train, save, and evaluate what was saved; each in a process of its own."""
    write_docbins(data, folder)
    config = CONFIG.format(weights=weights, classifier=classifier, view=view)
    (folder / "some.cfg").write_text(config)
    spacy_command(folder, "init", "fill-config", "some.cfg", "config.cfg")
    spacy_command(folder, "train", "config.cfg", "--output", "trained")
    spacy_command(folder, "evaluate", "trained/model-last", "dev.spacy", "--output", "scores.json")
    scores = json.loads((folder / "scores.json").read_text("utf8"))
    for name in ("p", "r", "f"):
        assert 0 < scores[f"spans_senses_{name}"] <= 1
    assert scores["spans_senses_per_type"]
    found: float = scores["spans_senses_acc"]
    return found


def made_up() -> Data:
    """Two words; what is before and after says which sense it is, but for some."""
    befores = ["the river", "a savings", "our big", "my left", "their own"]
    afters = ["lends", "broke .", "of mud", "hurts", "sells chips ."]
    data = {}
    for word in ("bank", "arm"):
        items = [
            Sense(Marked([*a.split(), word, *b.split()], len(a.split())), str((i * j + i) % 3))
            for (i, a), (j, b) in itertools.product(enumerate(befores), enumerate(afters))
        ]
        data[word] = (items[::2] + items[1::4], items[3::4])
    return data


def test_training_gives_what_the_evaluation_measures(tmp_path: Path) -> None:
    lm = tiny_lm()
    data = made_up()
    lm.measure_mean([item.word.words for item in data["bank"][0]])
    lm.save(tmp_path / "weights")
    weights = str(tmp_path / "weights")
    lm = BiLM.from_pretrained(weights)
    encoded, mean = encode_all(lm, data), mean_of(lm)
    expected = accuracy(encoded, mean, "ridge", "both").all
    assert 0 < expected < 1
    assert trained_accuracy(tmp_path / "work", data, weights, "ridge", "both") == pytest.approx(
        expected, abs=1e-9
    )


@pytest.mark.soak
@pytest.mark.parametrize(
    ("classifier", "view"), [("ridge", "both"), ("knn", "token"), ("centroid", "context")]
)
def test_coarsewsd(shared: Path, tmp_path: Path, classifier: str, view: str) -> None:
    data = read_all(shared / "eval" / "coarsewsd20")
    for large in ("apple", "bass", "bank"):
        del data[large]  # type: ignore[attr-defined]
    lm = BiLM.from_pretrained("en_elmo_sm")
    expected = accuracy(encode_all(lm, data), mean_of(lm), classifier, view).all
    found = trained_accuracy(tmp_path / "work", data, "en_elmo_sm", classifier, view)
    assert found == pytest.approx(expected, abs=1e-9)
    assert expected > 0.7
