"""What of a model a saved pipeline carries: its size, its output layer, its card and licences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from thinc.api import Adam

from spacy_elmo import BiLM
from spacy_elmo.bilm import Softmax
from tests.pipeline.listening.examples import make
from tests.tiny import WIDTH, tiny_lm

Make = Callable[..., Language]
TEXT = "The bank raised its rates ."
CARD, LICENCE = "# A model\n\ntext: mine, CC BY-SA 4.0\n", "CC BY-SA 4.0 ...\n"


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """Weights with a vocabulary, a softmax, a card and a licence."""
    lm = tiny_lm()
    lm.set_vocabulary(["<S>", "</S>", "<UNK>", "bank"])
    lm.softmax = Softmax(4, WIDTH // 2)
    torch.nn.init.normal_(lm.softmax.weight)
    lm.save(tmp_path / "full")
    (tmp_path / "full" / "README.md").write_text(CARD)
    (tmp_path / "full" / "LICENSE").write_text(LICENCE)
    (tmp_path / "full" / "curves.svg").write_text("<svg/>")
    return tmp_path / "full"


def bilm(nlp: Language) -> BiLM:
    lm: BiLM = nlp.get_pipe("elmo").model.shims[0].lm  # type: ignore[attr-defined]
    return lm


@pytest.mark.parametrize("keep", [None, True, False])
def test_softmax(make_nlp: Make, full: Path, tmp_path: Path, keep: bool | None) -> None:
    nlp = make_nlp(model={"weights": str(full)}, save_softmax=keep)
    nlp.to_disk(tmp_path / "saved")
    files = {path.name for path in (tmp_path / "saved/elmo/model").iterdir()}
    ours = {"config.json", "weights.safetensors", "README.md", "LICENSE"}
    assert files == ours | ({"softmax.safetensors", "vocab.txt"} if keep else set())
    from_bytes = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    for other in (spacy.load(tmp_path / "saved"), from_bytes):
        assert (bilm(other).softmax is not None) == bool(keep)
        assert (bilm(other).vocabulary is not None) == bool(keep)
        np.testing.assert_array_equal(other(TEXT)._.elmo_vectors, nlp(TEXT)._.elmo_vectors)
    assert bilm(nlp).softmax is not None, "the pipeline itself stays as it is"
    assert bilm(nlp).vocabulary is not None


def test_words_as_input_keep_their_vocabulary(make_nlp: Make, tmp_path: Path) -> None:
    lm = tiny_lm(char_cnn=None, n_words=5)
    lm.set_vocabulary(["<S>", "</S>", "<UNK>", "bank", "The"])
    lm.softmax = Softmax(5, WIDTH // 2)
    torch.nn.init.normal_(lm.softmax.weight)
    lm.save(tmp_path / "words")
    nlp = make_nlp(model={"weights": str(tmp_path / "words")})
    nlp.to_disk(tmp_path / "saved")
    other = spacy.load(tmp_path / "saved")
    assert bilm(other).softmax is None
    np.testing.assert_array_equal(other(TEXT)._.elmo_vectors, nlp(TEXT)._.elmo_vectors)


def test_half_the_size(make_nlp: Make, full: Path, tmp_path: Path) -> None:
    sizes, rows = {}, {}
    for dtype in ("float32", "float16"):
        nlp = make_nlp(model={"weights": str(full)}, save_dtype=dtype)
        nlp.to_disk(tmp_path / dtype)
        sizes[dtype] = (tmp_path / dtype / "elmo/model/weights.safetensors").stat().st_size
        rows[dtype] = spacy.load(tmp_path / dtype)(TEXT)._.elmo_vectors
    header = 4000
    assert sizes["float16"] < sizes["float32"] / 2 + header
    scale = np.abs(rows["float32"]).max()
    np.testing.assert_allclose(rows["float16"], rows["float32"], atol=0.01 * scale)
    assert not np.array_equal(rows["float16"], rows["float32"])


def test_an_unknown_number_type(make_nlp: Make) -> None:
    with pytest.raises(ValueError, match=r"save_dtype is 'int8': expected one of float32, float16"):
        make_nlp(save_dtype="int8")


def test_card_and_licences_go_along(make_nlp: Make, full: Path, tmp_path: Path) -> None:
    make_nlp(model={"weights": str(full)}).to_disk(tmp_path / "one")
    spacy.load(tmp_path / "one").to_disk(tmp_path / "two")
    for name in ("one", "two"):
        folder = tmp_path / name / "elmo" / "model"
        assert (folder / "README.md").read_text() == CARD
        assert (folder / "LICENSE").read_text() == LICENCE
        assert not (folder / "curves.svg").exists()


def test_the_packaged_model_has_a_card(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo")
    nlp.to_disk(tmp_path / "saved")
    assert "CC BY-SA" in (tmp_path / "saved/elmo/model/README.md").read_text("utf8")


def test_the_card_of_weights_that_were_trained_further(full: Path, tmp_path: Path) -> None:
    nlp, examples = make(full, {"projection": 8}, elmo={"frozen": False})
    optimizer = nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=optimizer)
    nlp.to_disk(tmp_path / "one")
    again = spacy.load(tmp_path / "one")
    again.update(examples, sgd=Adam(0.01))
    again.to_disk(tmp_path / "two")
    for name in ("one", "two"):
        card = (tmp_path / name / "elmo/model/README.md").read_text()
        assert card.startswith("> These weights were trained further")
        assert card.count("trained further") == 1
        assert card.endswith(CARD)
    nlp.initialize(lambda: examples)  # the weights are loaded anew
    nlp.to_disk(tmp_path / "three")
    assert (tmp_path / "three/elmo/model/README.md").read_text() == CARD


def test_what_lies_beside_a_single_file_is_not_its_own(make_nlp: Make, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("of something else")
    tiny_lm().save(tmp_path / "weights.hdf5")
    make_nlp(model={"weights": str(tmp_path / "weights.hdf5")}).to_disk(tmp_path / "saved")
    assert not (tmp_path / "saved/elmo/model/README.md").exists()


def test_mean_vector(make_nlp: Make, tmp_path: Path) -> None:
    assert make_nlp().get_pipe("elmo").mean_vector is None  # type: ignore[attr-defined]
    lm = tiny_lm()
    lm.measure_mean([TEXT.split()])
    lm.save(tmp_path / "centred")
    pipe: Any = make_nlp(model={"weights": str(tmp_path / "centred")}).get_pipe("elmo")
    assert lm.mean_layers is not None
    np.testing.assert_allclose(pipe.mean_vector, lm.mean_layers.numpy().mean(axis=0), atol=1e-6)
    with pytest.raises(ValueError, match="read-only"):
        pipe.mean_vector[0] = 1


def test_the_meta_of_a_pipeline_names_the_licences(full: Path, tmp_path: Path) -> None:
    """What `spacy package` shows, unless the pipeline says something else."""
    nlp, examples = make(full, {"projection": 8})
    for _ in range(2):
        nlp.initialize(lambda: examples)
    nlp.to_disk(tmp_path / "one")
    meta = spacy.load(tmp_path / "one").meta
    assert meta["license"] == "cc-by-sa-4.0"
    told = f"weights of elmo: {full} (CC BY-SA 4.0)"
    assert meta["sources"] == [{"name": told, "url": "", "license": "CC BY-SA 4.0"}]
    nlp.meta.update(license="MIT", sources=["my text"])
    nlp.initialize(lambda: examples)
    assert nlp.meta["license"] == "MIT"
    assert nlp.meta["sources"] == ["my text", told]
