"""spaCy's own tools on a pipeline that listens: train, evaluate, debug, pretrain, package."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
from spacy import ty
from spacy.tokens import DocBin
from thinc.api import Config

from spacy_elmo.bilm import BiLM
from tests.pipeline.listening.examples import GOLD, TAGGED, make, tags

CORPUS = {"max_length": 0, "gold_preproc": False, "limit": 0, "augmenter": None}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tagged texts, and the same raw."""
    folder = tmp_path_factory.mktemp("corpus")
    nlp = spacy.blank("en")
    docs = DocBin()
    for text, tags_of_text in TAGGED[:3] * 4:
        doc = nlp(text)
        for token, tag in zip(doc, tags_of_text, strict=True):
            token.tag_ = tag
        docs.add(doc)
    docs.to_disk(folder / "train.spacy")
    srsly.write_jsonl(folder / "raw.jsonl", [{"text": text} for text, _ in TAGGED[:3] * 4])
    return folder


@pytest.fixture
def config(corpus: Path, weights: Path, tmp_path: Path) -> Path:
    """A training config, filled."""
    nlp, _ = make(weights, {"projection": 8}, elmo={"cache": "memory"})
    filled: Any = nlp.config
    filled["paths"] |= {name: str(corpus / "train.spacy") for name in ("train", "dev")}
    filled["corpora"] = {
        name: {"@readers": "spacy.Corpus.v1", "path": f"${{paths.{name}}}", **CORPUS}
        for name in ("train", "dev")
    }
    training = {"max_steps": 160, "eval_frequency": 80, "patience": 0, "dropout": 0.0}
    filled["training"] |= {**training, "score_weights": {"tag_acc": 1.0}}
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": 0.02, "use_averages": True}
    filled["training"]["optimizer"] = optimizer
    Config(filled).to_disk(tmp_path / "config.cfg")
    return tmp_path / "config.cfg"


def test_the_protocols_of_spacy(weights: Path) -> None:
    pipe = make(weights)[0].get_pipe("elmo")
    for protocol in (ty.TrainableComponent, ty.InitializableComponent, ty.ListenedToComponent):
        assert isinstance(pipe, protocol)


@pytest.mark.parametrize("frozen", [True, False])
def test_train_and_evaluate(config: Path, tmp_path: Path, weights: Path, frozen: bool) -> None:
    from spacy.cli.train import train

    train(config, tmp_path / "out", overrides={"components.elmo.frozen": frozen})
    best = spacy.load(tmp_path / "out/model-best")
    pairs = zip(chain.from_iterable(tags(best)), chain.from_iterable(GOLD), strict=True)
    right = np.mean([found == expected for found, expected in pairs])
    assert best.meta["performance"]["tag_acc"] == pytest.approx(right)
    assert right > 0.8
    weight = best.get_pipe("elmo").model.shims[0].lm.forward_layers[0].weight  # type: ignore[attr-defined]
    before = BiLM.from_pretrained(weights).forward_layers[0].weight
    changed = np.abs((weight - before).detach().numpy()).max()
    assert bool(changed == 0) is frozen


def test_pretraining_the_language_model(config: Path, corpus: Path, tmp_path: Path) -> None:
    """`spacy pretrain` tunes the biLM with spaCy's character objective; `initialize` takes it."""
    from spacy.cli.init_config import fill_config
    from spacy.training.pretrain import pretrain

    _, filled = fill_config(tmp_path / "pre.cfg", config, pretraining=True, silent=True)
    filled["paths"]["raw_text"] = str(corpus / "raw.jsonl")
    filled["pretraining"] |= {"component": "elmo", "max_epochs": 2}
    filled["components"]["elmo"]["frozen"] = False
    (tmp_path / "pretrained").mkdir()
    pretrain(filled.interpolate(), tmp_path / "pretrained", silent=True)
    log = [json.loads(line) for line in (tmp_path / "pretrained/log.jsonl").open()]
    assert log
    filled["paths"]["init_tok2vec"] = str(tmp_path / "pretrained/model-last.bin")
    filled["initialize"]["init_tok2vec"] = "${paths.init_tok2vec}"
    from spacy.training.initialize import init_nlp

    nlp = init_nlp(filled)
    found = nlp.get_pipe("elmo").model.shims[0].lm.forward_layers[0].weight  # type: ignore[attr-defined]
    source = filled["components"]["elmo"]["model"]["weights"]
    before = BiLM.from_pretrained(source).forward_layers[0].weight
    assert np.abs((found - before).detach().numpy()).max() > 1e-4


def test_debugging(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from spacy.cli.debug_config import debug_config
    from spacy.cli.debug_data import debug_data

    debug_config(config)
    assert "Config is valid" in capsys.readouterr().out
    with pytest.raises(SystemExit):  # for there are too few examples
        debug_data(config, silent=False)
    printed = capsys.readouterr().out
    assert "Low number of examples" in printed
    assert "6 label(s)" in printed


def test_packages_require_this_project(weights: Path) -> None:
    from spacy.cli.package import get_third_party_dependencies

    nlp, _ = make(weights, {"projection": 8})
    required = get_third_party_dependencies(nlp.config)
    assert any(requirement.startswith("spacy-elmo") for requirement in required)


@pytest.mark.parametrize("name", ["spacy-elmo.BiLM.v1", "spacy-elmo.ElmoListener.v1"])
def test_find_function(name: str) -> None:
    from spacy.cli.find_function import find_function

    path, line = find_function(name, "architectures")
    assert "pipeline" in path
    assert line > 1
