"""`frozen`, set while a pipeline lives: training and the saved config follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam, Config

from spacy_elmo import BiLM, TrainingError
from tests.pipeline.listening.examples import make


def elmo_of(nlp: Language) -> Any:
    return nlp.get_pipe("elmo")


def weights_of(nlp: Language) -> dict[str, np.ndarray]:
    lm = elmo_of(nlp).model.shims[0].lm
    return {name: value.detach().numpy().copy() for name, value in lm.named_parameters()}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> bool:
    return any(not np.array_equal(before[name], after[name]) for name in before)


def saved_frozen(nlp: Language, path: Path) -> bool:
    nlp.to_disk(path)
    config = Config().from_disk(path / "config.cfg")
    assert spacy.load(path).get_pipe("elmo").frozen == config["components"]["elmo"]["frozen"]
    return bool(config["components"]["elmo"]["frozen"])


def step(nlp: Language, examples: list[Example], optimizer: Adam) -> bool:
    """Take steps as `spacy train` does; returns whether the language model has changed.

    They are two: a tagger's last layer starts with zeros, and sends no gradients back at first.
    """
    before = weights_of(nlp)
    for _ in range(2):
        nlp.update(examples, sgd=optimizer, losses={})
    return changed(before, weights_of(nlp))


@pytest.mark.parametrize("used_before", [True, False])
def test_unfreezing_and_freezing_again(weights: Path, tmp_path: Path, used_before: bool) -> None:
    nlp, examples = make(weights, {"projection": 8})
    if not used_before:
        elmo_of(nlp).frozen = False
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    if used_before:
        assert not step(nlp, examples, optimizer)
        elmo_of(nlp).frozen = False
    assert elmo_of(nlp).frozen is elmo_of(nlp).settings.frozen is False
    assert step(nlp, examples, optimizer)
    assert saved_frozen(nlp, tmp_path / "unfrozen") is False
    elmo_of(nlp).frozen = True
    assert not step(nlp, examples, optimizer)
    assert saved_frozen(nlp, tmp_path / "frozen") is True
    elmo_of(nlp).frozen = False
    assert step(nlp, examples, optimizer)


def test_the_next_update_is_that_of_a_pipeline_made_so(weights: Path) -> None:
    """The same weights come of it, whether `frozen = false` was said early or late."""
    results = []
    for early in (True, False):
        nlp, examples = make(weights, {"projection": 8}, elmo={"frozen": not early})
        nlp.initialize(lambda: examples)  # noqa: B023
        elmo_of(nlp).frozen = False
        assert step(nlp, examples, Adam(0.01))
        results.append(weights_of(nlp))
    for name in results[0]:
        np.testing.assert_allclose(results[0][name], results[1][name], atol=1e-6)


def test_configs_of_all_pipelines_follow(weights: Path) -> None:
    nlp, _ = make(weights, {"projection": 8})
    other = spacy.blank("en")
    other.add_pipe("elmo", source=nlp)
    bystander, _ = make(weights, {"projection": 8})
    elmo_of(other).frozen = False
    assert elmo_of(nlp).frozen is False
    assert nlp.config["components"]["elmo"]["frozen"] is False
    assert other.config["components"]["elmo"]["frozen"] is False
    assert bystander.config["components"]["elmo"]["frozen"] is True
    nlp.rename_pipe("elmo", "lm")
    nlp.get_pipe("lm").frozen = True  # type: ignore[attr-defined]
    assert nlp.config["components"]["lm"]["frozen"] is True


def test_replaced_listeners_follow(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    nlp.initialize(lambda: examples)
    elmo_of(nlp).frozen = False
    nlp.replace_listeners("elmo", "tagger_0", ["model.tok2vec"])
    block = nlp.config["components"]["tagger_0"]["model"]["tok2vec"]
    assert block["frozen"] is False


def test_gradual_unfreezing_in_a_callback(weights: Path, tmp_path: Path) -> None:
    """As `before_update` of a training config does it, between two updates of one optimizer."""
    nlp, examples = make(weights, {"projection": 8}, elmo={"cache": "memory"})
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=True)

    def before_update(nlp: Language, args: dict[str, Any]) -> None:
        elmo_of(nlp).frozen = args["step"] < 2 or args["step"] >= 4

    moved = []
    for number in range(6):
        before_update(nlp, {"step": number})
        moved.append(step(nlp, examples, optimizer))
    assert moved == [False, False, True, True, False, False]
    # The cache of the frozen steps has the layers of the weights as they are now; averages of the
    # weights are other weights.
    lm = elmo_of(nlp).model.shims[0].lm
    words = [token.text for token in examples[0].x]
    (layers,) = lm.encode([words])
    cache = elmo_of(nlp).model.shims[0].loaded.cache
    assert len(cache) == 3
    np.testing.assert_allclose(cache.get(words), layers, atol=1e-6)
    pipe = elmo_of(nlp)
    with nlp.use_params(optimizer.averages):
        (averaged,) = lm.encode([words])
        assert not np.allclose(averaged, layers, atol=1e-6)
        (found,) = pipe.layers_for([nlp.make_doc(" ".join(words))], pipe.listeners[0])
        np.testing.assert_allclose(found.values, averaged, atol=1e-6)
    (found,) = pipe.layers_for([nlp.make_doc(" ".join(words))], pipe.listeners[0])
    np.testing.assert_allclose(found.values, layers, atol=1e-6)


def test_what_cannot_be_set(weights: Path) -> None:
    nlp, _ = make(weights, {"projection": 8})
    for value in ("false", 0, None):
        with pytest.raises(TypeError, match="expected True or False"):
            elmo_of(nlp).frozen = value
    shim = elmo_of(nlp).model.shims[0]
    assert shim.frozen is True
    with pytest.raises(AttributeError, match=r'nlp.get_pipe\("elmo"\).frozen = True or False'):
        shim.frozen = False
    assert elmo_of(nlp).frozen is shim.frozen is True


def pretraining(weights: Path, frozen: bool) -> tuple[Language, dict[str, Any]]:
    from spacy.util import registry

    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, "frozen": frozen})
    objective = registry.architectures.get("spacy.PretrainCharacters.v1")
    settings = {
        "component": "elmo",
        "layer": "",
        "objective": objective(maxout_pieces=2, hidden_size=8, n_characters=2),
        "dropout": 0.0,
    }
    return nlp, settings


def test_spacy_pretrain(weights: Path) -> None:
    """What `spacy pretrain` does with a component: its model, and an objective on top."""
    from spacy.training.pretrain import create_pretraining_model, make_update

    for frozen in (True, False):
        nlp, settings = pretraining(weights, frozen)
        model = create_pretraining_model(nlp, settings)
        docs = [nlp.make_doc("The bank raised its rates .")]
        before = weights_of(nlp)
        optimizer = Adam(0.01)
        for _ in range(2):
            if frozen:
                with pytest.raises(TrainingError, match=r"frozen = false .*\[components.elmo\]"):
                    make_update(model, docs, optimizer, model.attrs["loss"])
            else:
                make_update(model, docs, optimizer, model.attrs["loss"])
        assert changed(before, weights_of(nlp)) is not frozen


def test_a_pipes_own_language_model_may_be_frozen(weights: Path) -> None:
    """`spacy-elmo.BiLM.v1` in place of a `tok2vec` gives its vectors in training, too."""
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": "spacy-elmo.BiLM.v1", "weights": str(weights)}
    model = {"@architectures": "spacy.Tagger.v2", "nO": None, "tok2vec": tok2vec}
    nlp.add_pipe("tagger", config={"model": model})
    words = ["The", "bank", "raised", "rates", "."]
    example = Example.from_dict(nlp.make_doc(" ".join(words)), {"tags": list("DNVNP")})
    nlp.initialize(lambda: [example])
    assert np.isfinite(nlp.update([example], sgd=Adam(0.01))["tagger"])
    (expected,) = BiLM.from_pretrained(weights).encode([words])
    bilm: Any = nlp.get_pipe("tagger").model.get_ref("tok2vec")  # type: ignore[attr-defined]
    found = bilm.predict([example.x])[0]
    np.testing.assert_allclose(found, expected.mean(axis=0), atol=1e-5)
