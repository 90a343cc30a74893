"""`ElmoEmbed`: ELMo's vectors beside a pipe's own features of the words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from thinc.api import Adam

from tests.pipeline.listening.examples import GOLD, listener, tagged, tags

FEATURES = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 4,
    "attrs": ["NORM", "SHAPE"],
    "rows": [50, 20],
    "include_static_vectors": False,
}


def pipeline(weights: Path, **embed: Any) -> tuple[Language, list[Example]]:
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}})
    block = {"@architectures": "spacy-elmo.ElmoEmbed.v1", "width": 8, **embed}
    model = {"@architectures": "spacy.Tagger.v2", "nO": None, "tok2vec": block}
    nlp.add_pipe("tagger", config={"model": model})
    return nlp, tagged(nlp)


def tok2vec(nlp: Language) -> Any:
    return nlp.get_pipe("tagger").model.get_ref("tok2vec")  # type: ignore[attr-defined]


@pytest.mark.parametrize("features", [FEATURES, None])
@pytest.mark.parametrize("projection", [None, 5])
def test_learns_saves_and_is_replaced(
    weights: Path, tmp_path: Path, features: dict[str, Any] | None, projection: int | None
) -> None:
    nlp, examples = pipeline(weights, elmo=listener(projection=projection), features=features)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(150):
        nlp.update(examples, sgd=optimizer)
    assert tags(nlp) == GOLD
    nlp.to_disk(tmp_path / "saved")
    loaded = spacy.load(tmp_path / "saved")
    assert tags(loaded) == GOLD
    loaded.replace_listeners("elmo", "tagger", ["model.tok2vec.elmo"])
    loaded.remove_pipe("elmo")
    loaded.to_disk(tmp_path / "alone")
    assert tags(spacy.load(tmp_path / "alone")) == GOLD


def test_both_sides_matter_and_learn(weights: Path) -> None:
    """Two words of like features differ by context, and the features have gradients."""
    nlp, examples = pipeline(weights, elmo=listener(), features=FEATURES)
    nlp.initialize(lambda: examples)
    vectors = tok2vec(nlp).predict([nlp("bank rates bank")])[0]
    assert vectors.shape == (3, 8)
    assert not np.allclose(vectors[0], vectors[2])
    tables = [node for node in tok2vec(nlp).walk() if node.name == "hashembed"]
    assert len(tables) == 2
    rows = [table.get_param("E").copy() for table in tables]
    optimizer = Adam(0.01)
    for _ in range(2):  # a tagger's own layer starts as zeros: the first step only moves that
        nlp.update(examples, sgd=optimizer)
    for table, old in zip(tables, rows, strict=True):
        assert not np.array_equal(table.get_param("E"), old)


def test_the_config_s_dropout_reaches_all_of_it(weights: Path) -> None:
    nlp, examples = pipeline(weights, elmo=listener(), features=FEATURES)
    nlp.initialize(lambda: examples)
    nlp.update(examples, drop=0.37, sgd=Adam(0.0))
    rates = [n.attrs["dropout_rate"] for n in tok2vec(nlp).walk() if "dropout_rate" in n.attrs]
    assert rates
    assert set(rates) == {0.37}


def test_empty_docs(weights: Path) -> None:
    nlp, examples = pipeline(weights, elmo=listener(), features=FEATURES)
    nlp.initialize(lambda: examples)
    model = tok2vec(nlp)
    docs = [Doc(nlp.vocab), nlp("A river bank"), Doc(nlp.vocab, words=["\n"])]
    assert [len(each) for each in model.predict(docs)] == [0, 3, 1]
    assert [doc.text for doc in nlp.pipe(["", "A bank", ""])] == ["", "A bank", ""]


@pytest.mark.parametrize("wrong", [{"width": 0}, {"maxout_pieces": 0}])
def test_impossible_sizes_are_named(wrong: dict[str, int]) -> None:
    build = registry.architectures.get("spacy-elmo.ElmoEmbed.v1")
    elmo = registry.architectures.get("spacy-elmo.ElmoListener.v1")()
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is 0: expected at least 1"):
        build(**{"width": 8, "elmo": elmo, **wrong})


def test_its_width_is_known_before_there_are_weights() -> None:
    build = registry.architectures.get("spacy-elmo.ElmoEmbed.v1")
    elmo = registry.architectures.get("spacy-elmo.ElmoListener.v1")()
    assert build(width=8, elmo=elmo).get_dim("nO") == 8
