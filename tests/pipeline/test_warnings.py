"""What would go wrong in silence is said, once, where it can still be put right."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from thinc.api import Config

from spacy_elmo import WeightsError, similarity_matrix
from spacy_elmo.pipeline.doc import attributes, similarity
from spacy_elmo.pipeline.settings import ElmoSettings
from tests.pipeline.listening.examples import make, tagged, tagger_config
from tests.tiny import N_LAYERS, WIDTH, tiny_lm

Make = Callable[..., Language]
TEXT = "The bank raised rates ."


@pytest.fixture(autouse=True)
def every_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings.simplefilter("always")
    monkeypatch.setattr(attributes, "_warned", set())
    monkeypatch.setattr(similarity, "_warned", set())


def messages(work: Callable[[], object]) -> list[str]:
    """The warnings of ours that some work gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    return [str(each.message) for each in caught if each.category is UserWarning]


# Renaming


@pytest.mark.parametrize("upstream", ["elmo", "*"])
def test_listeners_follow_a_renamed_component(weights: Path, tmp_path: Path, upstream: str) -> None:
    nlp, examples = make(weights, {"projection": 8, "upstream": upstream})
    nlp.initialize(lambda: examples)
    nlp.rename_pipe("elmo", "lm")
    assert nlp.get_pipe("lm").listening_components == ["tagger_0"]  # type: ignore[attr-defined]
    nlp.update(examples)
    before = nlp(TEXT)[1].tag_
    block = nlp.config["components"]["tagger_0"]["model"]["tok2vec"]
    assert block["upstream"] == ("lm" if upstream == "elmo" else "*")
    nlp.to_disk(tmp_path / "saved")
    loaded = spacy.load(tmp_path / "saved")
    assert loaded.get_pipe("lm").listening_components == ["tagger_0"]  # type: ignore[attr-defined]
    assert loaded(TEXT)[1].tag_ == before


def test_a_sourced_component_of_another_name_is_not_renamed(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8, "upstream": "elmo"})
    nlp.initialize(lambda: examples)
    other = spacy.blank("en")
    other.add_pipe("elmo", source=nlp, name="lm")
    nlp._link_components()
    assert nlp.get_pipe("elmo").listening_components == ["tagger_0"]  # type: ignore[attr-defined]
    block = nlp.config["components"]["tagger_0"]["model"]["tok2vec"]
    assert block["upstream"] == "elmo"
    assert nlp(TEXT)[1].tag_ is not None


# Languages and sentences


def language_of(lang: str, weights: str | None) -> Language:
    nlp = spacy.blank(lang)
    nlp.add_pipe("elmo", config={"model": {"weights": weights}} if weights else {})
    return nlp


def test_english_weights_in_a_german_pipeline(weights: Path, tmp_path: Path) -> None:
    german = language_of("de", None)
    found = messages(lambda: german("Die Bank"))
    assert len(found) == 1
    assert "'en_elmo_sm' were trained on text in 'en', but the pipeline is for 'de'" in found[0]
    assert messages(lambda: german("Die Bank")) == []
    german.to_disk(tmp_path / "saved")
    assert messages(lambda: spacy.load(tmp_path / "saved")("Die Bank")) == []
    for lang, source in (("en", None), ("xx", None), ("de", str(weights))):
        nlp = language_of(lang, source)
        assert messages(lambda: nlp("Die Bank")) == []  # noqa: B023


def test_sentences_that_training_does_not_see(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    nlp.add_pipe("sentencizer", first=True)
    found = messages(lambda: nlp.initialize(lambda: examples))
    assert len(found) == 1
    assert 'annotating_components = ["sentencizer"]' in found[0]
    nlp.config["training"]["annotating_components"] = ["sentencizer"]
    assert messages(lambda: nlp.initialize(lambda: examples)) == []


def test_sentences_that_are_found_too_late(make_nlp: Make) -> None:
    nlp = make_nlp()
    found = messages(lambda: nlp.add_pipe("sentencizer"))
    assert len(found) == 1
    assert "'sentencizer', which finds sentences, stands after it" in found[0]
    assert 'before="elmo"' in found[0]
    assert messages(lambda: nlp.add_pipe("tagger")) == [], "once"
    early = make_nlp()
    assert messages(lambda: early.add_pipe("sentencizer", before="elmo")) == []
    assert messages(lambda: early.add_pipe("senter")) == [], "there is one before it"


def test_a_parser_that_listens_is_not_too_late(weights: Path) -> None:
    nlp, _ = make(weights)
    model = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "parser",
        "extra_state_tokens": False,
        "hidden_width": 8,
        "maxout_pieces": 2,
        "use_upper": True,
        "nO": None,
        "tok2vec": {"@architectures": "spacy-elmo.ElmoListener.v1", "projection": 8},
    }
    assert messages(lambda: nlp.add_pipe("parser", config={"model": model})) == []


# Layers


def test_layers_that_were_not_kept(make_nlp: Make) -> None:
    doc = make_nlp()(TEXT)
    found = messages(lambda: (doc._.elmo_layers, doc[1]._.elmo_layers, doc[1:2]._.elmo_layers))
    assert len(found) == 1
    assert "keep_layers = true" in found[0]
    assert doc._.elmo_layers is None


def test_layers_before_the_run_or_kept_say_nothing(make_nlp: Make) -> None:
    nlp = make_nlp(keep_layers=True)
    assert messages(lambda: nlp.make_doc(TEXT)._.elmo_layers) == []
    assert messages(lambda: nlp(TEXT)._.elmo_layers) == []


def test_listeners_ask_for_layers_without_a_warning(weights: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    assert messages(lambda: nlp.initialize(lambda: examples)) == []
    doc = nlp(TEXT)
    assert messages(lambda: nlp.get_pipe("tagger_0")(doc)) == []  # type: ignore[operator]


def test_vectors_of_two_models(make_nlp: Make, tmp_path: Path) -> None:
    docs = []
    for seed in (1, 2):
        lm = tiny_lm(seed)
        lm.measure_mean([TEXT.split()])
        lm.save(tmp_path / str(seed))
        docs.append(make_nlp(model={"weights": str(tmp_path / str(seed))})(TEXT))
    one, other = docs
    plain = make_nlp()(TEXT)
    again = make_nlp(model={"weights": str(tmp_path / "1")})("The bank")
    assert messages(lambda: one[1]._.elmo_similarity(one[2])) == []
    assert messages(lambda: one[1]._.elmo_similarity(again)) == []
    assert messages(lambda: similarity_matrix([*one, *again])) == []
    for work in (
        lambda: one[1]._.elmo_similarity(other[1]),
        lambda: one._.elmo_similarity(plain),
        lambda: similarity_matrix([*one, *other]),
        lambda: similarity_matrix(one, other),
    ):
        similarity._warned.clear()
        found = messages(lambda: [work() for _ in range(2)])  # noqa: B023
        assert len(found) == 1
        assert "vectors of different models are compared" in found[0]


# Components that were left behind


def test_a_sourced_listener_without_its_component(weights: Path, tmp_path: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    nlp.initialize(lambda: examples)
    other = spacy.blank("en")
    other.add_pipe("tagger_0", source=nlp)
    found = messages(lambda: [other(TEXT) for _ in range(2)])
    assert len(found) == 1
    assert "'tagger_0' listens to component 'elmo' of another pipeline" in found[0]
    assert "replace_listeners" in found[0]
    other.add_pipe("elmo", source=nlp, first=True)
    assert messages(lambda: other(TEXT)) == []


def test_a_pipeline_saved_without_the_component(weights: Path, tmp_path: Path) -> None:
    nlp, examples = make(weights, {"projection": 8})
    nlp.initialize(lambda: examples)
    tag = nlp(TEXT)[1].tag_
    nlp.to_disk(tmp_path / "saved", exclude=["elmo"])
    assert not (tmp_path / "saved" / "elmo").exists()
    loaded: list[Language] = []
    found = messages(lambda: loaded.append(spacy.load(tmp_path / "saved")))
    assert len(found) == 1
    assert "left out of this pipeline" in found[0]
    assert str(weights) in found[0]
    assert loaded[0](TEXT)[1].tag_ == tag


def test_a_pipeline_saved_without_the_component_or_a_source(make_nlp: Make, tmp_path: Path) -> None:
    nlp = make_nlp()
    nlp.to_disk(tmp_path / "saved", exclude=["elmo"])
    path = tmp_path / "saved" / "config.cfg"
    config = Config().from_disk(path)
    config["components"]["elmo"]["model"]["weights"] = str(tmp_path / "gone")
    config.to_disk(path)
    with pytest.raises(WeightsError, match=r"elmo: there is no such folder.*exclude.*gone"):
        spacy.load(tmp_path / "saved")
    assert "elmo" not in spacy.load(tmp_path / "saved", exclude=["elmo"]).pipe_names


# Numbers in quotes, and what the component says of itself


@pytest.mark.parametrize(
    "setting",
    ["cache_gb", "batch_tokens", "type_cache_size", "learn_rate_factor"],
)
def test_a_number_in_quotes(make_nlp: Make, setting: str) -> None:
    with pytest.raises(ValueError, match=f"{setting} is '4': expected a number, without quotes"):
        make_nlp(**{setting: "4"})


@pytest.mark.parametrize("setting", ["projection", "layer_l2", "learn_rate_factor"])
def test_a_number_in_quotes_for_a_listener(setting: str) -> None:
    with pytest.raises(ValueError, match=f"{setting} is '4': expected a number, without quotes"):
        spacy.blank("en").add_pipe("tagger", config=tagger_config(**{setting: "4"}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_numbers_out_of_range(value: float) -> None:
    with pytest.raises(ValueError, match=r"cache_gb is .*: expected at least 0"):
        ElmoSettings(cache_gb=value)


def test_repr(weights: Path) -> None:
    nlp, _ = make(weights, {"projection": 8}, elmo={"frozen": False})
    pipe: Any = nlp.get_pipe("elmo")
    expected = f"<Elmo 'elmo': {weights}, not loaded yet, not frozen, listened to by tagger_0>"
    assert repr(pipe) == expected
    assert not pipe.model.shims[0].is_loaded
    nlp.initialize(lambda: tagged(nlp))
    assert f"{N_LAYERS} layers of width {WIDTH}" in repr(pipe)
