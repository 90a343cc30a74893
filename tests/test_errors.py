"""The package's errors: one base, public names, and what a message names."""

from __future__ import annotations

from pathlib import Path

import pytest

import spacy_elmo
from spacy_elmo import errors, formats
from spacy_elmo.errors import CorpusError, ElmoError, WeightsError, problem

NAMES = (
    "ElmoError",
    "WeightsError",
    "CorpusError",
    "DownloadError",
    "TrainingError",
    "CheckpointError",
    "DamagedCheckpoint",
)


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_public_and_have_one_base(name: str) -> None:
    error = getattr(spacy_elmo, name)
    assert error is getattr(errors, name)
    assert issubclass(error, ElmoError)
    assert issubclass(error, ValueError)
    assert name in spacy_elmo.__all__


def test_damage_is_a_checkpoint_error_and_old_places_stay() -> None:
    assert issubclass(errors.DamagedCheckpoint, errors.CheckpointError)
    assert formats.WeightsError is WeightsError


def test_a_message_says_where_what_and_what_to_do() -> None:
    path = Path("x.hdf5")
    made = problem(path, "is missing", "Get it", tensor="lstm")
    assert type(made) is WeightsError
    assert str(made) == "x.hdf5: tensor 'lstm': is missing. Get it"
    made = problem("the words", "are empty", error=CorpusError)
    assert type(made) is CorpusError
    assert str(made) == "the words: are empty."
