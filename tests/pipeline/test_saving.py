"""Saving, loading, initialising: a pipeline carries its weights; settings come from the config."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.lang.en import English
from spacy.language import Language
from spacy.training import Example
from thinc.api import Config

from spacy_elmo.bilm import BiLM, BiLMConfig, CharCNNConfig
from spacy_elmo.formats import WeightsError
from spacy_elmo.pipeline.factory import DEFAULT_CONFIG
from tests.tiny import N_LAYERS, WIDTH, tiny_lm

Make = Callable[..., Language]
TEXT = "They sat on the river bank."


@pytest.fixture
def movable(weights: Path, tmp_path: Path) -> Path:
    """Weights that a test may take away."""
    return Path(shutil.copytree(weights, tmp_path / "movable"))


def vectors(nlp: Language) -> np.ndarray:
    return np.array(nlp(TEXT)._.elmo_vectors)


def test_a_saved_pipeline_needs_no_source(make_nlp: Make, movable: Path, tmp_path: Path) -> None:
    nlp = make_nlp(model={"weights": str(movable)})
    expected = vectors(nlp)
    nlp.to_disk(tmp_path / "saved")
    data = nlp.to_bytes()
    shutil.rmtree(movable)
    loaded = spacy.load(tmp_path / "saved")
    np.testing.assert_array_equal(vectors(loaded), expected)
    other = spacy.blank("en").from_config(loaded.config).from_bytes(data)
    np.testing.assert_array_equal(vectors(other), expected)
    moved = tmp_path / "moved"
    (tmp_path / "saved").rename(moved)
    loaded.to_disk(tmp_path / "again")
    for path in (moved, tmp_path / "again"):
        np.testing.assert_array_equal(vectors(spacy.load(path)), expected)


def test_saving_loads_what_was_not_loaded(make_nlp: Make, tmp_path: Path) -> None:
    make_nlp().to_disk(tmp_path / "saved")
    np.testing.assert_array_equal(vectors(spacy.load(tmp_path / "saved")), vectors(make_nlp()))


def test_the_saved_weights_are_a_native_directory(make_nlp: Make, tmp_path: Path) -> None:
    nlp = make_nlp()
    nlp.to_disk(tmp_path / "saved")
    files = sorted(path.name for path in (tmp_path / "saved/elmo").iterdir())
    assert files == ["model"]
    lm = BiLM.from_pretrained(tmp_path / "saved/elmo/model")
    expected = vectors(nlp)
    words = [token.text for token in nlp.make_doc(TEXT)]
    np.testing.assert_allclose(lm.encode([words])[0].mean(axis=0), expected, atol=1e-6)


def test_softmax_vocabulary_and_warm_state_are_carried(make_nlp: Make, tmp_path: Path) -> None:
    import torch

    from spacy_elmo.bilm import Softmax

    lm = tiny_lm()
    lm.warm_up([["some", "text"]])
    lm.set_vocabulary(["<S>", "</S>", "<UNK>", "bank"])
    lm.softmax = Softmax(4, WIDTH // 2)
    torch.nn.init.normal_(lm.softmax.weight)
    lm.save(tmp_path / "full")
    nlp = make_nlp(model={"weights": str(tmp_path / "full")}, save_softmax=True)
    nlp.to_disk(tmp_path / "saved")
    loaded: list[Any] = [
        spacy.load(tmp_path / "saved"),
        spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ]
    for other in loaded:
        found = other.get_pipe("elmo").model.shims[0].lm
        assert found.initial_state == "warm"
        assert found.vocabulary == lm.vocabulary
        assert torch.equal(found.softmax.weight, lm.softmax.weight)
        np.testing.assert_array_equal(vectors(other), vectors(nlp))


def test_exclude(make_nlp: Make, tmp_path: Path) -> None:
    pipe: Any = make_nlp().get_pipe("elmo")
    pipe.to_disk(tmp_path / "no_model", exclude=["model", "vocab"])
    assert list((tmp_path / "no_model").iterdir()) == []
    pipe.to_disk(tmp_path / "no_vocab", exclude=["vocab"])
    assert [path.name for path in (tmp_path / "no_vocab").iterdir()] == ["model"]
    pipe.from_disk(tmp_path / "no_model", exclude=["model", "vocab"])
    pipe.from_disk(tmp_path / "no_vocab", exclude=["vocab"])
    small = pipe.to_bytes(exclude=["model", "vocab"])
    assert len(small) < 100
    pipe.from_bytes(small, exclude=["model", "vocab"])
    with pytest.raises(WeightsError, match="model"):
        pipe.from_disk(tmp_path / "no_model", exclude=["vocab"])


def test_a_failed_load_leaves_what_was_there(make_nlp: Make, tmp_path: Path) -> None:
    nlp = make_nlp()
    nlp.to_disk(tmp_path / "saved")
    expected = vectors(nlp)
    file = tmp_path / "saved/elmo/model/weights.safetensors"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(WeightsError, match=r"weights\.safetensors"):
        nlp.from_disk(tmp_path / "saved")
    np.testing.assert_array_equal(vectors(nlp), expected)


def test_overrides_at_load_take_effect(make_nlp: Make, tmp_path: Path) -> None:
    make_nlp().to_disk(tmp_path / "saved")
    assert spacy.load(tmp_path / "saved")(TEXT)._.elmo_layers is None
    settings = {
        "components.elmo.keep_layers": True,
        "components.elmo.batch_tokens": 7,
        "components.elmo.type_cache_size": 11,
        "components.elmo.set_hooks": True,
        "components.elmo.attribute": "renamed",
        "components.elmo.model.layer_weights": [0.0, 0.0, 1.0],
    }
    nlp = spacy.load(tmp_path / "saved", config=settings)
    doc = nlp(TEXT)
    assert doc._.renamed_layers.shape == (N_LAYERS, len(doc), WIDTH)
    np.testing.assert_allclose(doc._.renamed_vectors, doc._.renamed_layers[2], atol=1e-6)
    np.testing.assert_array_equal(doc.vector, doc._.renamed)
    shim = nlp.get_pipe("elmo").model.shims[0]  # type: ignore[attr-defined]
    assert (shim.lm.cache_size, shim.settings.batch_tokens) == (11, 7)
    assert (
        spacy.load(tmp_path / "saved", config={"components.elmo.frozen": False})
        .get_pipe("elmo")
        .model.shims[0]
        .lm.forward_layers[0]
        .weight.requires_grad
    )  # type: ignore[attr-defined]


def test_initialize_without_examples(make_nlp: Make) -> None:
    nlp = make_nlp()
    nlp.initialize()
    pipe: Any = nlp.get_pipe("elmo")
    assert pipe.model.get_dim("nO") == WIDTH
    expected = vectors(nlp)
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("a b"), {})])
    pipe.initialize(list, nlp=nlp)
    pipe.initialize()
    np.testing.assert_array_equal(vectors(nlp), expected)


def test_initialize_loads_anew_where_the_source_still_is(
    make_nlp: Make, movable: Path, tmp_path: Path
) -> None:
    nlp = make_nlp(model={"weights": str(movable)})
    first = vectors(nlp)
    nlp.to_disk(tmp_path / "saved")
    tiny_lm(seed=1).save(movable)
    loaded = spacy.load(tmp_path / "saved")
    np.testing.assert_array_equal(vectors(loaded), first)
    loaded.initialize()
    second = vectors(loaded)
    assert not np.allclose(second, first)
    loaded.to_disk(tmp_path / "saved")
    shutil.rmtree(movable)
    loaded = spacy.load(tmp_path / "saved")
    loaded.initialize()
    np.testing.assert_array_equal(vectors(loaded), second)


def test_initialize_refuses_damaged_weights(make_nlp: Make, movable: Path) -> None:
    nlp = make_nlp(model={"weights": str(movable)})
    expected = vectors(nlp)
    (movable / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"weights\.safetensors"):
        nlp.initialize()
    np.testing.assert_array_equal(vectors(nlp), expected)


def test_frozen_with_weights_in_initialize(weights: Path) -> None:
    """`training.frozen_components` would skip `initialize`; our own `frozen` does not."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"frozen": True, "model": {"weights": None}})
    nlp.config["initialize"]["components"]["elmo"] = {"weights": str(weights)}
    nlp.initialize()
    assert vectors(nlp).any()
    nlp.config["initialize"]["components"]["elmo"] = {"vocab": "v.txt"}
    with pytest.raises(ValueError, match="options or vocab without weights"):
        nlp.initialize()


def test_other_weights_of_another_width_can_replace_loaded_ones(
    make_nlp: Make, tmp_path: Path
) -> None:
    tiny_lm(projection_dim=5).save(tmp_path / "narrow")
    nlp = make_nlp()
    assert vectors(nlp).shape[1] == WIDTH
    nlp.config["initialize"]["components"]["elmo"] = {"weights": str(tmp_path / "narrow")}
    nlp.initialize()
    assert vectors(nlp).shape[1] == 10


def test_the_config_makes_the_same_pipeline(make_nlp: Make) -> None:
    nlp = make_nlp(keep_layers=True, model={"gamma": 2.0})
    text = nlp.config.to_str()
    again = English.from_config(Config().from_str(text))
    assert again.config["components"]["elmo"] == nlp.config["components"]["elmo"]
    np.testing.assert_array_equal(vectors(again), vectors(nlp))


def test_fill_config_writes_every_default(tmp_path: Path) -> None:
    base = tmp_path / "base.cfg"
    base.write_text(
        '[nlp]\nlang = "en"\npipeline = ["elmo"]\n\n[components]\n\n'
        '[components.elmo]\nfactory = "elmo"\n'
    )
    from spacy.cli.init_config import fill_config

    _, filled = fill_config(tmp_path / "filled.cfg", base, silent=True)
    assert filled["components"]["elmo"] == {"factory": "elmo", **DEFAULT_CONFIG}
    read = Config().from_disk(tmp_path / "filled.cfg")
    assert read["components"]["elmo"] == filled["components"]["elmo"]


def test_assemble(weights: Path, tmp_path: Path) -> None:
    from spacy.cli.assemble import assemble_cli

    config = tmp_path / "config.cfg"
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}})
    nlp.config.to_disk(config)
    from unittest.mock import Mock

    assemble_cli(Mock(args=[]), config, tmp_path / "out", code_path=None, verbose=False)
    assert vectors(spacy.load(tmp_path / "out")).any()


MEMORY = """
import resource, sys, threading, time
import numpy, spacy, torch
from spacy_elmo.pipeline import factory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

class Peak(threading.Thread):
    def __enter__(self):
        self.top = self.before = resident()
        self.stop = False
        self.start()
        return self
    def run(self):
        while not self.stop:
            self.top = max(self.top, resident())
            time.sleep(0.0005)
    def __exit__(self, *args):
        self.stop = True
        self.join()
        self.rise = max(self.top, resident()) - self.before

what, folder = sys.argv[1:]
if what == "save":
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": folder + "/weights"}})
    nlp("warm up")
    with Peak(daemon=True) as peak:
        nlp.to_disk(folder + "/saved")
    print(peak.rise)
else:
    spacy.blank("en").add_pipe("elmo")
    with Peak(daemon=True) as peak:
        nlp = spacy.load(folder + "/saved")
    print(peak.rise)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_of_saving_and_loading(tmp_path: Path) -> None:
    """The peak rises by at most 1.3 times the weights' float32 size (about 75 MB here)."""

    def run(what: str) -> int:
        command = [sys.executable, "-c", MEMORY, what, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.strip() or 0)

    cnn = CharCNNConfig(embedding_dim=8, filters=((1, 64), (2, 64)), n_highway=1)
    BiLM(BiLMConfig(lstm_dim=2048, projection_dim=256, char_cnn=cnn)).save(tmp_path / "weights")
    size = (tmp_path / "weights/weights.safetensors").stat().st_size
    assert size > 60e6
    assert run("save") <= 1.3 * size
    assert run("load") <= 1.3 * size
