"""Language and tokenisation of weights: kept on every way, and absent where they are not known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from spacy_elmo import BiLM, BiLMConfig, WeightsError
from spacy_elmo.bilm.config import OPTIONAL
from spacy_elmo.formats.hdf5.names import OWN_GROUP
from spacy_elmo.pipeline.model.serialize import bilm_from_bytes, bilm_to_bytes
from tests.formats.models import assert_same
from tests.tiny import tiny_lm


def known() -> BiLM:
    lm = tiny_lm()
    lm.config = replace(lm.config, lang="nb", tokenisation="lemmas")
    return lm


@pytest.mark.parametrize("name", ["native", "x.hdf5"])
def test_they_are_kept(tmp_path: Path, name: str) -> None:
    known().save(tmp_path / name)
    back = BiLM.from_pretrained(tmp_path / name)
    assert (back.config.lang, back.config.tokenisation) == ("nb", "lemmas")
    assert_same(back, known())
    assert_same(bilm_from_bytes(bilm_to_bytes(back)), known())


def test_a_config_without_them_is_written_as_before(tmp_path: Path) -> None:
    tiny_lm().save(tmp_path / "native")
    values = json.loads((tmp_path / "native/config.json").read_text("utf8"))
    assert not set(OPTIONAL) & set(values)
    assert not set(OPTIONAL) & set(BiLMConfig().to_dict())
    tiny_lm().save(tmp_path / "x.hdf5")
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert not set(OPTIONAL) & set(file[OWN_GROUP].attrs)
    assert BiLM.from_pretrained(tmp_path / "x.hdf5").config == tiny_lm().config


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"lang": "Norwegian"}, "lang is 'Norwegian': expected the code of a language, as \"en\""),
        ({"lang": 3}, "lang is 3: expected str"),
        ({"tokenisation": "bytes"}, "tokenisation is 'bytes': expected one of"),
    ],
)
def test_impossible_ones(tmp_path: Path, bad: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BiLMConfig.from_dict({**BiLMConfig().to_dict(), **bad})
    tiny_lm().save(tmp_path / "native")
    path = tmp_path / "native/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf8")), **bad}))
    with pytest.raises(WeightsError, match=message):
        BiLM.from_pretrained(tmp_path / "native")


def test_an_impossible_one_in_hdf5(tmp_path: Path) -> None:
    known().save(tmp_path / "x.hdf5")
    with h5py.File(tmp_path / "x.hdf5", "a") as file:
        file[OWN_GROUP].attrs["lang"] = "Norwegian"
    with pytest.raises(WeightsError, match="lang is 'Norwegian'"):
        BiLM.from_pretrained(tmp_path / "x.hdf5")
