"""`nlp.replace_listeners` and sourced pipes: each with a language model of its own."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.lang.en import English
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam

from spacy_elmo.pipeline.listening.listener import ElmoListener
from spacy_elmo.pipeline.listening.replace import replace_listener_cfg
from tests.pipeline.listening.examples import listener, make, tagged, tags
from tests.tiny import tiny_lm

Trained = tuple[Language, list[Example]]
LISTENER = ["model.tok2vec"]
OWN: dict[str, Any] = {"frozen": True, "learn_rate_factor": 1.0, "token_attr": "TEXT"}


def trained(weights: Path, **elmo: Any) -> Trained:
    """Both taggers a little way along."""
    settings = {"projection": 8, "layer_norm": True}
    nlp, examples = make(weights, settings, {"projection": 4}, elmo=elmo)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(8):
        nlp.update(examples, sgd=optimizer)
    return nlp, examples


def own_shim(nlp: Language, name: str = "tagger_0") -> Any:
    model = nlp.get_pipe(name).model  # type: ignore[attr-defined]
    node = next(node for node in model.walk() if isinstance(node, ElmoListener))
    return node.layers[0].shims[0]


def parameters(shim: Any) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy().copy() for name, p in shim.lm.named_parameters()}


def moved(shim: Any, before: dict[str, np.ndarray]) -> float:
    after = parameters(shim)
    return max(float(np.abs(after[name] - before[name]).max()) for name in before)


def scores(nlp: Language, name: str = "tagger_0") -> list[np.ndarray]:
    docs = list(nlp.pipe([example.x.text for example in tagged(nlp)]))
    return [np.array(each) for each in nlp.get_pipe(name).model.predict(docs)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("frozen", [True, False])
def test_replaced_saved_and_loaded(weights: Path, tmp_path: Path, frozen: bool) -> None:
    movable = Path(shutil.copytree(weights, tmp_path / "movable"))
    nlp, _ = trained(movable, frozen=frozen)
    before = scores(nlp)
    nlp.replace_listeners("elmo", "tagger_0", LISTENER)
    assert nlp.get_pipe("elmo").listening_components == ["tagger_1"]  # type: ignore[attr-defined]
    for found, expected in zip(scores(nlp), before, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    nlp.to_disk(tmp_path / "saved")
    data = nlp.to_bytes()
    shutil.rmtree(movable)
    for loaded in (
        spacy.load(tmp_path / "saved"),
        English.from_config(nlp.config).from_bytes(data),
        spacy.load(tmp_path / "saved", exclude=["elmo", "tagger_1"]),
    ):
        for found, expected in zip(scores(loaded), before, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)
        assert own_shim(loaded).settings.frozen is frozen
    block = nlp.config["components"]["tagger_0"]["model"]["tok2vec"]
    assert block["@architectures"] == "spacy-elmo.ElmoListener.v1"
    assert block["bilm"]["@architectures"] == "spacy-elmo.BiLM.v1"
    assert (block["projection"], block["layer_norm"]) == (8, True)


def test_both_copies_train_on_their_own(weights: Path) -> None:
    nlp, examples = trained(weights, frozen=False)
    nlp.replace_listeners("elmo", "tagger_0", LISTENER)
    shared, own = nlp.get_pipe("elmo").model.shims[0], own_shim(nlp)  # type: ignore[attr-defined]
    assert shared.id != own.id
    optimizer = Adam(0.01, use_averages=True)
    for train, rest, excluded in ((own, shared, "tagger_1"), (shared, own, "tagger_0")):
        before = parameters(train), parameters(rest)
        nlp.update(examples, sgd=optimizer, exclude=[excluded])
        nlp("settle")
        assert moved(train, before[0]) > 1e-4
        assert moved(rest, before[1]) == 0
    ids = {key[0] for key in optimizer.averages}
    assert {shared.id, own.id} <= ids
    losses = [nlp.update(examples, sgd=optimizer, losses={}) for _ in range(20)]
    for name in ("tagger_0", "tagger_1"):
        assert losses[-1][name] < losses[0][name]


def test_a_frozen_copy_stays(weights: Path) -> None:
    nlp, examples = trained(weights, frozen=True)
    nlp.replace_listeners("elmo", "tagger_0", LISTENER)
    before = parameters(own_shim(nlp))
    nlp.update(examples, sgd=Adam(0.1))
    assert moved(own_shim(nlp), before) == 0


def test_sourcing_a_pipe_with_replaced_listeners(weights: Path, tmp_path: Path) -> None:
    nlp, _ = trained(weights, frozen=False)
    before = scores(nlp)
    nlp.to_disk(tmp_path / "saved")
    config = {
        "nlp": {"lang": "en", "pipeline": ["tagger_0"]},
        "components": {
            "tagger_0": {
                "source": str(tmp_path / "saved"),
                "component": "tagger_0",
                "replace_listeners": LISTENER,
            }
        },
    }
    sourced = English.from_config(config)
    for found, expected in zip(scores(sourced), before, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    sourced.to_disk(tmp_path / "sourced")
    loaded = spacy.load(tmp_path / "sourced")
    for found, expected in zip(scores(loaded), before, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_sourcing_component_and_listener_together(weights: Path) -> None:
    nlp, _ = trained(weights)
    before = scores(nlp)
    other = spacy.blank("en")
    for name in ("elmo", "tagger_0"):
        other.add_pipe(name, source=nlp)
    for found, expected in zip(scores(other), before, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert other.get_pipe("elmo").listening_components == ["tagger_0"]  # type: ignore[attr-defined]


def test_renaming_the_component(weights: Path, tmp_path: Path) -> None:
    nlp, examples = trained(weights)
    before = tags(nlp)
    nlp.rename_pipe("elmo", "vectors")
    assert tags(nlp) == before
    nlp.to_disk(tmp_path / "saved")
    assert tags(spacy.load(tmp_path / "saved")) == before
    assert "vectors" in nlp.update(examples, sgd=Adam(0.001), losses={})


def test_listeners_that_differ_cannot_be_told_apart() -> None:
    """spaCy names the place of the listener to itself alone."""
    blocks = {name: listener(projection=size) for name, size in (("a", 3), ("b", 3), ("c", 4))}
    same = replace_listener_cfg({}, {"a": blocks["a"], "b": blocks["b"]}, **OWN)
    assert same == {**blocks["a"], "bilm": {}, **OWN}
    with pytest.raises(ValueError, match="the same settings"):
        replace_listener_cfg({}, blocks, **OWN)


def test_a_listener_that_the_config_does_not_show_cannot_be_replaced() -> None:
    with pytest.raises(ValueError, match=r"my\.Embed\.v1, has no block"):
        replace_listener_cfg({}, {"@architectures": "my.Embed.v1"}, **OWN)


def with_two_listeners(weights: Path) -> tuple[Language, list[Example]]:
    """A tagger that listens twice, as one might to two components."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}})
    embed = {"@architectures": "spacy-elmo.ElmoEmbed.v1", "width": 8}
    block = {**embed, "elmo": listener(), "features": listener(upstream="elmo")}
    model = {"@architectures": "spacy.Tagger.v2", "nO": None, "tok2vec": block}
    nlp.add_pipe("tagger", name="tagger_0", config={"model": model})
    return nlp, tagged(nlp)


def test_two_listeners_of_one_pipe(weights: Path, tmp_path: Path) -> None:
    nlp, examples = with_two_listeners(weights)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    before = scores(nlp)
    paths = ["model.tok2vec.elmo", "model.tok2vec.features"]
    nlp.replace_listeners("elmo", "tagger_0", paths)
    assert nlp.get_pipe("elmo").listening_components == []  # type: ignore[attr-defined]
    nlp.remove_pipe("elmo")
    nlp.to_disk(tmp_path / "alone")
    for other in (nlp, spacy.load(tmp_path / "alone")):
        for a, b in zip(scores(other), before, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("other_weights", [False, True])
def test_a_pipe_sourced_into_a_second_pipeline_still_works_in_the_first(
    weights: Path, tmp_path: Path, other_weights: bool
) -> None:
    """spaCy does not copy it: it is one pipe in two pipelines, each with an `elmo`."""
    nlp, _ = trained(weights)
    before = scores(nlp)
    second = spacy.blank("en")
    if other_weights:
        tiny_lm(seed=9).save(tmp_path / "other")
        weights = tmp_path / "other"
    second.add_pipe("elmo", config={"model": {"weights": str(weights)}})
    second.add_pipe("tagger_0", name="renamed", source=nlp)
    for a, b in zip(scores(nlp), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert nlp.get_pipe("elmo").listening_components == ["tagger_0", "tagger_1"]  # type: ignore[attr-defined]
    differ = [not np.allclose(a, b) for a, b in zip(scores(second, "renamed"), before, strict=True)]
    assert any(differ) == other_weights
    del second
    gc.collect()
    for a, b in zip(scores(nlp), before, strict=True):
        np.testing.assert_array_equal(a, b)
    nlp.replace_listeners("elmo", "tagger_0", LISTENER)
    for a, b in zip(scores(nlp), before, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
