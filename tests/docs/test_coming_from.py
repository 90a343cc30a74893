"""Pages of docs/ with code of ours, run: Python in one namespace, commands, configs.

Theirs, in pages that compare, stands in blocks of `py`, which are not run.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import spacy
from thinc.api import Config
from typer.testing import CliRunner

from spacy_elmo import BiLM
from spacy_elmo.catalogue import models
from spacy_elmo.catalogue.cache import folder_of
from spacy_elmo.catalogue.entries import FORMATS
from spacy_elmo.cli.app import app
from tests.docs import snippets
from tests.tiny import N_LAYERS, WIDTH, tiny_lm

COMING_FROM = snippets.ROOT / "docs/coming-from.md"
PUBLISHED = snippets.ROOT / "docs/published-models.md"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages read: weights of every name, one downloaded, some text."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("SPACY_ELMO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(work)
    lm = tiny_lm()
    lm.save(work / "weights.hdf5")
    (work / "weights_options.json").rename(work / "options.json")
    lm.save(work / "norwegian")
    lm.save(work / "basque")
    (work / "sentences.txt").write_text("The bank rose .\n\nRates\n", "utf8")
    downloaded = folder_of("pt_elmo")
    downloaded.mkdir(parents=True)
    for file in models()["pt_elmo"].files:
        source = "weights.hdf5" if file.role == "weights" else "options.json"
        shutil.copy(work / source, downloaded / file.name)
    return work


def test_coming_from(folder: Path) -> None:
    found = snippets.run_python(COMING_FROM)
    lm = BiLM.from_pretrained("weights.hdf5")
    sentences = [["The", "bank"], ["Rates", "rose"]]
    assert not np.allclose(found["first"][0], found["second"][0])
    np.testing.assert_allclose(found["first"][0], lm.encode(sentences)[0], atol=1e-5)
    with h5py.File("out.hdf5") as file:
        shapes = {name: file[name].shape for name in file}
    assert shapes == {str(k): (N_LAYERS, n, WIDTH) for k, n in enumerate((4, 0, 1))}
    expected = lm.encode([["the"], ["bank"]])
    for row, layers in zip(found["table"], expected, strict=True):
        assert len(row) == WIDTH // 2
        np.testing.assert_allclose(np.tile(row, 2), layers[0, 0], atol=1e-5)
    for mine, layers in zip(found["second"], lm.encode(sentences), strict=True):
        np.testing.assert_allclose(mine, layers[2], atol=1e-5)
    words = ["O", "banco", "subiu", "os", "juros", "."]
    layers = lm.encode([words])[0]
    np.testing.assert_allclose(found["vector"], layers[:, 1].reshape(-1), atol=1e-5)
    np.testing.assert_allclose(found["average"], layers[:, 1].mean(axis=0), atol=1e-5)
    assert BiLM.from_pretrained("norwegian-warm").initial_state == "warm"


def test_the_config_of_a_listener() -> None:
    (block,) = snippets.blocks(COMING_FROM, "ini")
    head = '[nlp]\nlang = "en"\npipeline = ["elmo", "tagger"]\n\n[components]\n\n'
    config = Config().from_str(head + block)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    nlp.get_pipe("tagger").add_label("N")  # type: ignore[attr-defined]
    nlp.initialize()
    assert nlp("The bank")[1].tag_ == "N"
    assert nlp.get_pipe("tagger").model.get_ref("tok2vec").get_dim("nO") == 128  # type: ignore[attr-defined]


def test_the_names_of_flair_are_in_the_catalogue() -> None:
    text = COMING_FROM.read_text("utf8")
    names = re.findall(r"`([a-z]{2}_elmo\w*(?:\.\w+)?)`", text)
    assert len(names) == 6
    assert set(names) <= set(models())


def test_the_table_of_forms() -> None:
    text = PUBLISHED.read_text("utf8")
    rows = re.findall(r"^\| (.+) \| (\d+) \|$", text, re.MULTILINE)
    found = Counter(FORMATS[entry.format] for entry in models().values())
    assert {form: int(number) for form, number in rows} == found
    assert sum(entry.variant_of is not None for entry in models().values()) == 3


def test_published_models() -> None:
    assert "doc" in snippets.run_python(PUBLISHED)


def test_the_commands() -> None:
    commands = snippets.commands(PUBLISHED)
    assert len(commands) == 5
    for command in commands:
        program, name, *arguments = shlex.split(command)
        assert (program, name) == ("spacy", "elmo")
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{command}\n{result.output}"
    config = BiLM.from_pretrained("mine").config
    assert (config.lang, config.tokenisation) == ("pt", "words")


def test_what_is_said_of_an_offline_machine() -> None:
    shutil.rmtree(folder_of("pt_elmo"))
    (block,) = snippets.blocks(PUBLISHED, "text")
    result = CliRunner().invoke(app, ["info", "pt_elmo"])
    said = " ".join(result.output.split())
    for line in block.splitlines():
        before, _, after = line.strip().partition("https://...")
        parts = re.split(r"~/\.cache/spacy-elmo/models/pt_elmo", before)
        assert all(" ".join(part.split()) in said for part in parts), line
        assert after == ""
