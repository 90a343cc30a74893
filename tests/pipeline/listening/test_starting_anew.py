"""`nlp.initialize`, a second time: the mix of a listener starts anew like everything else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam

from spacy_elmo.pipeline.listening.embed import build_elmo_embed_v1
from spacy_elmo.pipeline.listening.listener import ElmoListener, build_elmo_listener_v1
from spacy_elmo.pipeline.model.bilm import build_bilm_v1
from tests.pipeline.listening.examples import make
from tests.tiny import N_LAYERS, WIDTH, tiny_lm


def listener_of(nlp: Language, pipe: str = "tagger_0") -> ElmoListener:
    nodes = nlp.get_pipe(pipe).model.walk()  # type: ignore[attr-defined]
    return next(node for node in nodes if isinstance(node, ElmoListener))


def mix(nlp: Language, pipe: str = "tagger_0") -> tuple[list[float], float]:
    listener = listener_of(nlp, pipe)
    return listener.get_param("layer_weights").tolist(), float(listener.get_param("gamma")[0])


def trained(weights: Path, **elmo: Any) -> tuple[Language, list[Example]]:
    nlp, examples = make(weights, {"projection": 8}, {"projection": 8}, elmo=elmo)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    assert mix(nlp) != ([0.0] * N_LAYERS, 1.0)
    return nlp, examples


PLAIN = ([0.0] * N_LAYERS, 1.0)


def test_a_second_initialize_starts_with_the_plain_average(weights: Path) -> None:
    nlp, examples = trained(weights)
    nlp.initialize(lambda: examples)
    assert mix(nlp, "tagger_0") == mix(nlp, "tagger_1") == PLAIN
    optimizer = Adam(0.01)
    for _ in range(2):
        nlp.update(examples, sgd=optimizer)
    assert mix(nlp) != PLAIN


def test_what_is_read_does_not_start_it_anew(weights: Path, tmp_path: Path) -> None:
    nlp, examples = trained(weights)
    learned = mix(nlp)
    nlp(examples[0].x.text)
    nlp.to_disk(tmp_path / "saved")
    nlp.from_disk(tmp_path / "saved")
    nlp(examples[0].x.text)
    nlp.resume_training()
    nlp.get_pipe("elmo").initialize()  # type: ignore[attr-defined]
    assert mix(nlp) == learned


def test_pipes_that_are_left_out_keep_theirs(weights: Path) -> None:
    nlp, examples = trained(weights)
    learned = mix(nlp, "tagger_1")
    with nlp.select_pipes(disable=["tagger_1"]):
        nlp.initialize(lambda: examples)
    assert mix(nlp, "tagger_0") == PLAIN
    assert mix(nlp, "tagger_1") == learned


def test_a_language_model_of_its_own_starts_anew_too(weights: Path, tmp_path: Path) -> None:
    """From where the weights come from; when they are no longer there, it stays as it is."""
    shutil.copytree(weights, tmp_path / "mine")
    nlp, examples = trained(tmp_path / "mine", frozen=False)
    nlp.replace_listeners("elmo", "tagger_0", ["model.tok2vec"])
    name = "forward_layers.0.weight"

    def weight() -> np.ndarray:
        [shim] = listener_of(nlp).layers[0].shims
        return shim.lm.get_parameter(name).detach().numpy().copy()

    start = tiny_lm().get_parameter(name).detach().numpy()
    assert not np.array_equal(weight(), start)
    learned = weight()
    nlp("They bank on it")
    np.testing.assert_array_equal(weight(), learned)
    nlp.initialize(lambda: examples)
    np.testing.assert_array_equal(weight(), start)
    assert mix(nlp) == PLAIN
    optimizer = Adam(0.01)
    for _ in range(2):
        nlp.update(examples, sgd=optimizer)
    learned = weight()
    assert not np.array_equal(learned, start)
    (tmp_path / "mine").rename(tmp_path / "elsewhere")
    with nlp.select_pipes(enable=["tagger_0"]):
        nlp.initialize(lambda: examples)
    np.testing.assert_array_equal(weight(), learned)


def test_weights_of_another_number_of_layers(weights: Path, tmp_path: Path) -> None:
    nlp, examples = trained(weights)
    tiny_lm(n_layers=3).save(tmp_path / "deeper")
    nlp.config["initialize"]["components"]["elmo"] = {"weights": str(tmp_path / "deeper")}
    with (
        nlp.select_pipes(disable=["tagger_1"]),
        pytest.raises(ValueError, match=r"'tagger_1' was made for 3 layers .* train the pipe anew"),
    ):
        nlp.initialize(lambda: examples)
    optimizer = nlp.initialize(lambda: examples)
    assert mix(nlp) == mix(nlp, "tagger_1") == ([0.0] * 4, 1.0)
    for _ in range(2):
        nlp.update(examples, sgd=optimizer)
    assert mix(nlp) != ([0.0] * 4, 1.0)


def test_weights_of_another_width(weights: Path, tmp_path: Path) -> None:
    nlp, examples = trained(weights)
    tiny_lm(projection_dim=5).save(tmp_path / "narrow")
    nlp.config["initialize"]["components"]["elmo"] = {"weights": str(tmp_path / "narrow")}
    with pytest.raises(
        ValueError, match=r"'tagger_0' was made for vectors of width 16.*replace_pipe"
    ):
        nlp.initialize(lambda: examples)


@pytest.mark.parametrize("projection", [None, 5])
def test_without_data(weights: Path, projection: int | None) -> None:
    model = build_elmo_listener_v1(projection=projection, bilm=build_bilm_v1(str(weights)))
    model.initialize()
    assert model.get_dim("nO") == (projection or WIDTH)
    embed = build_elmo_embed_v1(
        width=7, elmo=build_elmo_listener_v1(projection, bilm=build_bilm_v1(str(weights)))
    )
    embed.initialize()
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

    doc = Doc(Vocab(), words=["a", "bank"])
    assert model.predict([doc])[0].shape == (2, projection or WIDTH)
    assert embed.predict([doc])[0].shape == (2, 7)
    again = [model.predict([doc])[0] for _ in range(2)]
    np.testing.assert_array_equal(*again)
