"""Every way to such a model: commands, pipelines, bytes, pickles; and what it cannot do."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy
from typer.testing import CliRunner

from spacy_elmo import BiLM
from spacy_elmo.cli.app import app
from spacy_elmo.errors import WeightsError
from spacy_elmo.formats import load
from spacy_elmo.pretraining.adapt import adapt
from spacy_elmo.pretraining.config import PretrainConfig
from tests.formats.elmoformanylangs.folder import write_folder
from tests.formats.models import assert_same

TEXT = "the bank of straße 銀行"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "m")
    return tmp_path / "m"


def test_a_pipeline_carries_it(folder: Path, tmp_path: Path) -> None:
    expected = BiLM.from_pretrained(folder).encode([TEXT.split()])[0].mean(axis=0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("elmo", config={"model": {"weights": str(folder)}})
    np.testing.assert_allclose(nlp(TEXT)._.elmo_vectors, expected, atol=1e-6)
    nlp.to_disk(tmp_path / "saved")
    data = nlp.to_bytes()
    shutil.rmtree(folder)
    for loaded in (
        spacy.load(tmp_path / "saved"),
        spacy.blank("xx").from_config(nlp.config).from_bytes(data),
    ):
        np.testing.assert_array_equal(loaded(TEXT)._.elmo_vectors, nlp(TEXT)._.elmo_vectors)


def test_info_and_convert(folder: Path, tmp_path: Path) -> None:
    (folder / "cnn.json").rename(tmp_path / "by_hand.json")
    shown = CliRunner().invoke(
        app, ["info", str(folder), "--options", str(tmp_path / "by_hand.json")]
    )
    assert shown.exit_code == 0
    for part in ("words and characters of ELMoForManyLangs", "10 x 3", "13 and the marks x 4"):
        assert part in shown.output
    (tmp_path / "by_hand.json").rename(folder / "cnn.json")
    target = tmp_path / "native"
    assert CliRunner().invoke(app, ["convert", str(folder), str(target)]).exit_code == 0
    assert_same(load(target), load(folder))


def test_info_says_what_was_assumed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spacy_elmo.formats.elmoformanylangs import options
    from tests.reference.many_langs import many_langs_options

    monkeypatch.setattr(options, "PACKAGED", many_langs_options())
    (folder / "cnn.json").unlink()
    shown = CliRunner().invoke(app, ["info", str(folder)])
    assert shown.exit_code == 0
    assert "assumed is the description" in " ".join(shown.output.split())


def test_pickled_and_carried_on(folder: Path) -> None:
    lm = load(folder)
    again = pickle.loads(pickle.dumps(lm))
    assert_same(again, lm)
    sentence = [TEXT.split()]
    np.testing.assert_array_equal(again.encode(sentence)[0], lm.encode(sentence)[0])


def test_hdf5_and_training_are_refused(folder: Path, tmp_path: Path) -> None:
    lm = load(folder)
    with pytest.raises(WeightsError, match="HDF5 has no form for the token layer"):
        lm.save(tmp_path / "x.hdf5")
    assert not list(tmp_path.glob("x*"))
    with pytest.raises(ValueError, match="not that of ELMoForManyLangs"):
        adapt(lm, None, PretrainConfig())  # type: ignore[arg-type]
    values = {"model": {**lm.config.to_dict(), "initial_state": "zero"}}
    with pytest.raises(ValueError, match=r"model\.many_langs"):
        PretrainConfig.from_dict(values)


def test_a_vocabulary_by_hand_is_refused(folder: Path) -> None:
    with pytest.raises(WeightsError, match="has dictionaries of its own"):
        load(folder, vocab=folder / "word.dic")
