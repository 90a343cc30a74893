"""`convert`: nothing is lost on the way, nothing is overwritten unasked."""

import json

import pytest
import torch
from typer.testing import CliRunner

from spacy_elmo import BiLM, BiLMConfig, CharCNNConfig
from spacy_elmo.bilm.softmax import Softmax
from spacy_elmo.cli.app import app
from spacy_elmo.formats.papers import read_papers

CHAR_CNN = CharCNNConfig(embedding_dim=4, filters=((1, 3), (2, 5)), n_highway=1)
CONFIG = BiLMConfig(lstm_dim=7, projection_dim=6, char_cnn=CHAR_CNN)
VOCABULARY = ["<S>", "</S>", "<UNK>", "the", "bank"]


def convert(*args: object):
    return CliRunner().invoke(app, ["convert", *map(str, args)])


@pytest.fixture
def native(tmp_path):
    """A model with everything: vocabulary, softmax, warm state, card."""
    lm = BiLM(CONFIG, VOCABULARY)
    lm.softmax = Softmax(5, 6)
    lm.softmax.reset_parameters()
    lm.warm_up([["the", "bank"]])
    lm.save(tmp_path / "native")
    (tmp_path / "native" / "README.md").write_text("Trained on naught.")
    return tmp_path / "native"


def test_there_and_back_is_exact(native, tmp_path):
    hdf5, back = tmp_path / "elmo.hdf5", tmp_path / "back"
    assert convert(native, hdf5).exit_code == 0
    assert json.loads((tmp_path / "elmo_options.json").read_text())["lstm"]["dim"] == 7
    result = convert(hdf5, back)
    assert result.exit_code == 0
    assert str(back) in result.output
    assert f"Read {hdf5}, an HDF5 file of bilm-tf or AllenNLP, and wrote {back}" in " ".join(
        result.output.split()
    )
    for file in ("config.json", "weights.safetensors", "softmax.safetensors", "vocab.txt"):
        assert (back / file).read_bytes() == (native / file).read_bytes(), file


def test_a_card_travels_with_native_weights_but_replaces_none(native, tmp_path):
    target = tmp_path / "copy"
    assert convert(native, target).exit_code == 0
    assert (target / "README.md").read_text() == "Trained on naught."
    (target / "README.md").write_text("My own.")
    assert convert(native, target, "--force").exit_code == 0
    assert (target / "README.md").read_text() == "My own."


@pytest.mark.parametrize("name", ["copy", "copy.hdf5"])
def test_the_papers_of_another_model_go_with_its_weights(native, tmp_path, name):
    """A licence that holds for the old weights says nothing of the new ones."""
    (native / "LICENSE.txt").write_text("CC BY-SA 4.0")
    target = tmp_path / name
    assert convert(native, target).exit_code == 0
    assert read_papers(target).keys() == {"README.md", "LICENSE.txt"}
    BiLM(CONFIG, VOCABULARY).save(tmp_path / "other")
    (tmp_path / "other/README.md").write_text("Another.")
    assert convert(tmp_path / "other", target, "--force").exit_code == 0
    assert read_papers(target) == {"README.md": b"Another."}
    if target.is_dir():
        (target / "notes.txt").write_text("no paper of the weights")
    (tmp_path / "other/README.md").unlink()
    assert convert(native, target, "--force").exit_code == 0
    assert convert(tmp_path / "other", target, "--force").exit_code == 0
    assert read_papers(target) == {}
    assert not target.is_dir() or (target / "notes.txt").is_file()


def test_an_edited_card_of_the_same_model_stays_whatever_the_dtype(native, tmp_path):
    target = tmp_path / "copy"
    assert convert(native, target).exit_code == 0
    (target / "README.md").write_text("My own.")
    assert convert(native, target, "--force", "--dtype", "float16", "--lang", "en").exit_code == 0
    assert (target / "README.md").read_text() == "My own."
    assert convert(native, target, "--force").exit_code == 0
    assert (target / "README.md").read_text() == "My own."
    (target / "weights.safetensors").write_bytes(b"damaged")
    assert convert(native, target, "--force").exit_code == 0
    assert (target / "README.md").read_text() == "Trained on naught."


def test_half_the_size_in_float16(native, tmp_path):
    assert convert(native, tmp_path / "half", "--dtype", "float16").exit_code == 0
    full, half = (BiLM.from_pretrained(path) for path in (native, tmp_path / "half"))
    for name, tensor in full.state_dict().items():
        assert torch.equal(half.state_dict()[name], tensor.half().float()), name


@pytest.mark.parametrize("name", ["other", "elmo.hdf5"])
def test_an_existing_target_is_replaced_only_on_request(native, tmp_path, name):
    target = tmp_path / name
    assert convert(native, target).exit_code == 0
    lm = BiLM(CONFIG)
    lm.save(tmp_path / "new")
    result = convert(tmp_path / "new", target)
    assert result.exit_code == 1
    assert "--force" in result.output
    assert BiLM.from_pretrained(target).softmax is not None
    assert convert(tmp_path / "new", target, "--force").exit_code == 0
    again = BiLM.from_pretrained(target).state_dict()
    assert set(again) == set(lm.state_dict())
    for name, tensor in lm.state_dict().items():
        assert torch.equal(again[name], tensor), name


def test_a_mistake_leaves_nothing_behind(native, tmp_path):
    (native / "config.json").write_text("{}")
    result = convert(native, tmp_path / "target")
    assert result.exit_code == 1
    assert "config.json" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["native"]


def test_a_target_that_cannot_be_meant_is_refused_before_anything_is_read(tmp_path):
    result = convert(tmp_path / "nowhere", tmp_path / "x.npz")
    assert result.exit_code == 1
    assert "x.npz: would be a directory, although its name ends in .npz" in result.output


@pytest.mark.parametrize("weights", ["native", "elmo.hdf5"])
def test_what_was_edited_on_purpose_is_taken(native, tmp_path, weights):
    """What the error says helps: the edit counts, and the new weights load."""
    convert(native, tmp_path / "elmo.hdf5")
    edits = {
        native / "config.json": lambda told: told.update(cell_clip=0.25),
        tmp_path / "elmo_options.json": lambda told: told["lstm"].update(cell_clip=0.25),
    }
    for file, edit in edits.items():
        values = json.loads(file.read_text())
        edit(values)
        file.write_text(json.dumps(values))
    source, target = tmp_path / weights, tmp_path / "new"
    result = convert(source, target)
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    assert "if you changed it on purpose: spacy elmo convert" in told
    assert "NEW --edited" in told
    assert convert(source, target, "--edited").exit_code == 0
    assert BiLM.from_pretrained(target).config.cell_clip == 0.25
    assert convert(source, target).exit_code == 1  # the next one has to say so again


def test_an_edit_that_fits_no_weights_is_an_error_all_the_same(native, tmp_path):
    config = json.loads((native / "config.json").read_text())
    for change, told in (({"colour": "red"}, "colour"), ({"lstm_dim": 8}, "shape")):
        (native / "config.json").write_text(json.dumps({**config, **change}))
        result = convert(native, tmp_path / "new", "--edited")
        assert result.exit_code == 1
        assert told in result.output


def test_card_and_licences_survive_hdf5(native, tmp_path):
    (native / "LICENSE.txt").write_text("CC BY-SA 4.0")
    (tmp_path / "README.md").write_text("of something else")
    assert convert(native, tmp_path / "elmo_weights.hdf5").exit_code == 0
    assert (tmp_path / "elmo_README.md").read_text() == "Trained on naught."
    assert convert(tmp_path / "elmo_weights.hdf5", tmp_path / "back").exit_code == 0
    assert (tmp_path / "back/README.md").read_text() == "Trained on naught."
    assert (tmp_path / "back/LICENSE.txt").read_text() == "CC BY-SA 4.0"
    files = {"config.json", "weights.safetensors", "softmax.safetensors", "vocab.txt"}
    assert {path.name for path in (tmp_path / "back").iterdir()} == {
        *files,
        "README.md",
        "LICENSE.txt",
    }
    assert BiLM.from_pretrained(tmp_path / "elmo_weights.hdf5").softmax is not None


def test_language_and_tokenisation_are_kept_with_the_weights(native, tmp_path):
    target, back = tmp_path / "elmo.hdf5", tmp_path / "back"
    arguments = ("--lang", "pt-BR", "--tokenisation", "lemmas")
    assert convert(native, target, *arguments).exit_code == 0
    assert convert(target, back).exit_code == 0
    config = json.loads((back / "config.json").read_text())
    assert (config["lang"], config["tokenisation"]) == ("pt-BR", "lemmas")
    assert BiLM.from_pretrained(back).config.lang == "pt-BR"
    result = CliRunner().invoke(app, ["info", str(back)])
    assert "pt-BR" in result.output
    assert "lemmas" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--lang", "English"), "--lang is 'English': expected the code"),
        (("--tokenisation", "bytes"), "--tokenisation is 'bytes': expected words or lemmas"),
    ],
)
def test_no_language_and_no_tokenisation(native, tmp_path, arguments, message):
    result = convert(native, tmp_path / "target", *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "target").exists()
