"""Files of commit 61f52b1, or of the first with their kind, are read and give the same numbers.

`make.py` made them; `data/made_with.json` says with what.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose
from safetensors.numpy import load_file
from spacy.tokens import Doc, DocBin

from spacy_elmo import BiLM
from tests.compat.make import SENTENCES, TEXTS, TRAININGS

DATA = Path(__file__).parent / "data"
CLOSE: dict[str, float] = {"atol": 1e-5, "rtol": 1e-5}
# Other processors sum up in another order, which grows with the steps of a training.
SAME_WEIGHTS: dict[str, float] = {"atol": 1e-6, "rtol": 1e-6}


def arrays(name: str) -> list[np.ndarray]:
    """The arrays of an .npz file in the order they were given in."""
    with np.load(DATA / f"{name}.npz") as file:
        return [file[key] for key in file.files]


@pytest.mark.parametrize("path", ["native", "hdf5/tiny_weights.hdf5"])
def test_weights(path: str) -> None:
    *layers, mean = arrays(path.split("/")[0])
    found = []
    for state in ("zero", "warm"):
        found += BiLM.from_pretrained(DATA / path, initial_state=state).encode(SENTENCES)
    for mine, theirs in zip(found, layers, strict=True):
        assert_allclose(mine, theirs, **CLOSE)
    lm = BiLM.from_pretrained(DATA / path)
    assert lm.initial_state == "warm"
    assert lm.mean_layers is not None
    assert_allclose(lm.mean_layers.numpy(), mean, **CLOSE)


def test_mixes_of_a_task() -> None:
    first, second = BiLM.from_pretrained(DATA / "mixes").task_mixes
    assert (first.weights, first.gamma, first.layer_norm) == ((0.25, 0.25, 0.5), 1.5, False)
    assert (second.weights, second.gamma, second.layer_norm) == ((0.0, 1.0, 0.0), 0.5, True)


def figures(name: str) -> dict[str, Any]:
    with np.load(DATA / f"{name}.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", ["frozen", "tuned"])
def test_pipelines(name: str) -> None:
    nlp = spacy.load(DATA / name)
    expected = figures(name)
    for number, doc in enumerate(nlp.pipe(TEXTS)):
        assert_allclose(doc._.elmo_vectors, expected[f"vectors{number}"], **CLOSE)
        assert_allclose(doc._.elmo_layers, expected[f"layers{number}"], **CLOSE)
        (scores,) = nlp.get_pipe("tagger").predict([doc])
        assert_allclose(scores, expected[f"scores{number}"], **CLOSE)
        assert_allclose(doc[1]._.elmo_similarity(doc[4]), expected[f"similarity{number}"], **CLOSE)


def test_senses() -> None:
    nlp = spacy.load(DATA / "senses")
    expected = figures("senses")
    for number, doc in enumerate(nlp.pipe(TEXTS)):
        context = np.stack([token._.elmo_context for token in doc])
        assert_allclose(context, expected[f"context{number}"], **CLOSE)
        group = doc.spans["senses"]
        assert [span.label_ for span in group] == expected[f"labels{number}"].tolist()
        assert_allclose(group.attrs["scores"], expected[f"scores{number}"], **CLOSE)


def test_the_token_layer_of_elmoformanylangs() -> None:
    layers = BiLM.from_pretrained(DATA / "many_langs").encode(SENTENCES)
    for found, expected in zip(layers, arrays("many_langs"), strict=True):
        assert_allclose(found, expected, **CLOSE)


def test_saved_again_a_pipeline_is_the_same(tmp_path: Path) -> None:
    spacy.load(DATA / "tuned").to_disk(tmp_path)
    expected = figures("tuned")
    for number, doc in enumerate(spacy.load(tmp_path).pipe(TEXTS)):
        assert_allclose(doc._.elmo_vectors, expected[f"vectors{number}"], **CLOSE)


@pytest.fixture
def registered() -> None:
    """The extension attributes, which a component registers when it is made."""
    spacy.blank("xx").add_pipe("elmo")


def assert_kept(docs: Sequence[Doc]) -> None:
    """Docs have what the pipeline gave them."""
    expected = figures("frozen")
    for number, (doc, text) in enumerate(zip(docs, TEXTS, strict=True)):
        assert doc.text == text
        assert_allclose(doc._.elmo_vectors, expected[f"vectors{number}"], **CLOSE)
        assert_allclose(doc._.elmo_layers, expected[f"layers{number}"], **CLOSE)
        assert_allclose(doc[1]._.elmo_similarity(doc[4]), expected[f"similarity{number}"], **CLOSE)
        assert_allclose(doc[2:4]._.elmo, doc._.elmo_vectors[2:4].mean(axis=0), **CLOSE)


@pytest.mark.usefixtures("registered")
def test_doc_bins() -> None:
    docs = DocBin(store_user_data=True).from_disk(DATA / "docs.spacy")
    assert_kept(list(docs.get_docs(spacy.blank("xx").vocab)))


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", ["docs", "docs_with_hooks", "docs_before_tagger"])
def test_pickled_docs(name: str) -> None:
    assert_kept(pickle.loads((DATA / f"{name}.pickle").read_bytes()))


def test_pickled_hooks() -> None:
    doc, _ = pickle.loads((DATA / "docs_with_hooks.pickle").read_bytes())
    expected = figures("hooks")
    assert_allclose(doc.vector, expected["vector"], **CLOSE)
    assert_allclose(doc[1].vector, expected["token"], **CLOSE)
    assert_allclose(doc[2:4].vector, expected["span"], **CLOSE)
    assert_allclose(doc[1].similarity(doc[10]), expected["similarity"], **CLOSE)


@pytest.mark.parametrize("name", ["docs", "docs_with_hooks", "docs_before_tagger"])
def test_docs_are_unpickled_where_nothing_is_imported_yet(name: str) -> None:
    code = (
        "import pickle, sys\n"
        "docs = pickle.load(open(sys.argv[1], 'rb'))\n"
        "import spacy; spacy.blank('xx').add_pipe('elmo')\n"
        "print([doc._.elmo_vectors.shape[0] == len(doc) for doc in docs])\n"
    )
    path = DATA / f"{name}.pickle"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.stdout == "[True, True]\n", done.stderr


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_listener_takes_what_waits_on_a_pickled_doc() -> None:
    """These Docs were pickled between `elmo` and the tagger."""
    nlp = spacy.load(DATA / "frozen")
    expected = figures("frozen")
    docs = pickle.loads((DATA / "docs_before_tagger.pickle").read_bytes())
    for number, scores in enumerate(nlp.get_pipe("tagger").predict(docs)):
        assert_allclose(scores, expected[f"scores{number}"], **CLOSE)


def pretrain(*arguments: object) -> str:
    """The command, on one thread, as the files were made."""
    done = subprocess.run(
        [sys.executable, "-m", "spacy_elmo", "pretrain", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=list(TRAININGS))
def training(request: pytest.FixtureRequest) -> Path:
    return DATA / "trainings" / request.param


def test_trainings_go_on(training: Path, tmp_path: Path) -> None:
    shutil.copytree(training / "stopped", tmp_path / "out")
    (checkpoint,) = (training / "stopped" / "training" / "checkpoints").iterdir()
    step = int(checkpoint.stem.removeprefix("step-"))
    told = pretrain(DATA / "corpus", tmp_path / "out", "--config", training / "config.json")
    assert f"from step {step}," in told
    assert_same_weights(tmp_path / "out", training / "end", SAME_WEIGHTS)


def test_trainings_from_the_start(training: Path, tmp_path: Path) -> None:
    """The corpus and the seed give what they gave."""
    pretrain(DATA / "corpus", tmp_path / "out", "--config", training / "config.json")
    assert_same_weights(tmp_path / "out", training / "end", CLOSE)


def assert_same_weights(folder: Path, expected: Path, tolerance: dict[str, float]) -> None:
    """The same tensors, up to those that the version of the files did not write."""
    for name in ("weights.safetensors", "softmax.safetensors"):
        found, theirs = load_file(folder / name), load_file(expected / name)
        assert set(theirs) <= set(found) <= {*theirs, "mean_layers"}
        for key, value in theirs.items():
            assert_allclose(found[key], value, err_msg=key, **tolerance)
