"""The component's settings: one list of them, which the factory's signature repeats for spaCy."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest
from spacy.language import Language

from spacy_elmo.pipeline.factory import DEFAULT_CONFIG, make_elmo
from spacy_elmo.pipeline.model.bilm import build_bilm_v1
from spacy_elmo.pipeline.settings import ElmoSettings


def test_the_factory_takes_the_settings_and_no_others() -> None:
    arguments = {
        name: parameter.annotation
        for name, parameter in inspect.signature(make_elmo).parameters.items()
        if name not in ("nlp", "name", "model")
    }
    assert arguments == {field.name: field.type for field in fields(ElmoSettings)}
    assert list(arguments) == [field.name for field in fields(ElmoSettings)]


def test_every_setting_is_documented() -> None:
    text = inspect.getdoc(ElmoSettings) or ""
    for field in fields(ElmoSettings):
        assert f"\n    {field.name}: " in text


def test_the_default_config_holds_all_defaults(nlp: Language) -> None:
    model = dict(DEFAULT_CONFIG["model"])
    assert model.pop("@architectures") == "spacy-elmo.BiLM.v1"
    assert set(model) == set(inspect.signature(build_bilm_v1).parameters)
    rest = {name: value for name, value in DEFAULT_CONFIG.items() if name != "model"}
    assert ElmoSettings(**rest) == ElmoSettings()
    assert Language.get_factory_meta("elmo").default_config == DEFAULT_CONFIG
    pipe: Any = nlp.get_pipe("elmo")
    assert pipe.settings == ElmoSettings()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"learn_rate_factor": -0.1}, "learn_rate_factor is -0.1: expected at least 0"),
        ({"batch_tokens": 0}, "batch_tokens is 0: expected at least 1"),
        ({"type_cache_size": -1}, "type_cache_size is -1: expected at least 0"),
        ({"cache": "disk", "cache_gb": -1.0}, "cache_gb is -1.0: expected at least 0"),
        ({"cache": "ram"}, "cache is 'ram': expected one of"),
        ({"precision": "half"}, "precision is 'half': expected one of float32"),
        ({"device": "gpu"}, 'device = "gpu" is no device of PyTorch'),
    ],
)
def test_impossible_settings(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ElmoSettings(**bad)
