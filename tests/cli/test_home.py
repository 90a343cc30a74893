"""`~` is the home directory for every command, also where no shell replaces it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_elmo import BiLM
from spacy_elmo.cli.app import app
from tests.tiny import tiny_lm


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with a model in it, and another folder to stand in."""
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    tiny_lm().save(tmp_path / "m.hdf5")
    (tmp_path / "m_options.json").rename(tmp_path / "options_of_m")
    return tmp_path


def run(*arguments: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output


def test_info_and_convert(user: Path) -> None:
    run("info", "~/m.hdf5", "--options", "~/options_of_m")
    run("convert", "~/m.hdf5", "~/native", "--options=~/options_of_m")
    assert BiLM.from_pretrained("~/native").config == tiny_lm().config


def test_prepare_and_init_config(user: Path) -> None:
    (user / "text.txt").write_text("the bank raised its rates\n" * 5)
    run("prepare", "~/text.txt", "~/corpus", "--tokenized")
    assert (user / "corpus/corpus.json").is_file()
    run("prepare", "~/text.txt", "~/other", "--tokenized", "--vocab", "~/corpus")
    run("init-config", "~/train.cfg")
    assert (user / "train.cfg").is_file()
    assert not list((user / "here").iterdir())
