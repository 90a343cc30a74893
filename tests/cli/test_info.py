"""`info`: the rows say what the weights are."""

import re

import pytest
import spacy
import torch
from typer.testing import CliRunner

from spacy_elmo import BiLM, BiLMConfig, CharCNNConfig
from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.softmax import Softmax
from spacy_elmo.cli.app import app
from spacy_elmo.cli.info import describe
from spacy_elmo.formats import save

CHAR_CNN = CharCNNConfig(embedding_dim=4, filters=((1, 3), (2, 5)), n_highway=1)
CHARACTERS = BiLMConfig(lstm_dim=7, projection_dim=6, char_cnn=CHAR_CNN, cell_clip=3.0)
WORDS = BiLMConfig(
    lstm_dim=6,
    projection_dim=6,
    char_cnn=None,
    n_words=5,
    lstm_projection=False,
    bidirectional=False,
    use_skip_connections=False,
    cell_clip=None,
    proj_clip=None,
)
VOCABULARY = ["<S>", "</S>", "<UNK>", "the", "bank"]


def run(*args: object) -> str:
    result = CliRunner().invoke(app, ["info", *map(str, args)])
    assert result.exit_code == 0, result.output
    return result.output


def test_versions():
    rows = dict(line.split(maxsplit=1) for line in run().splitlines() if line.strip())
    # Some builds name what they were built for ("+cu130") in only one of the two places.
    assert rows["torch"].strip().partition("+")[0] == torch.__version__.partition("+")[0]
    assert {"Python", "spacy-elmo", "spacy", "h5py"} <= set(rows)


KERNELS = ("LSTM cell", "LSTM output", "LSTM training", "Sampled softmax", "Character CNN")


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_kernels_in_use(monkeypatch, kernel):
    offered = loader.offered()
    if not offered:
        assert re.search(rf"{kernel} +PyTorch \(the compiled kernels were not built\)", run())
        return
    there = rf"\(the processor offers {', '.join(offered)}\)"
    for name in offered:
        monkeypatch.setenv(loader.VARIABLE, name)
        assert re.search(rf"{kernel} +{name} {there}", run())
    monkeypatch.setenv(loader.VARIABLE, "0")
    assert re.search(rf"{kernel} +PyTorch {there}", run())


def test_character_model(tmp_path):
    lm = BiLM(CHARACTERS)
    rows = describe(lm)
    assert rows["Input"] == "characters, at most 50 per token"
    assert rows["Character embedding"] == "261 x 4"
    assert "[1, 3] [2, 5]: 8 in all, relu" in rows["Filters"]
    assert rows["Layers"].startswith("3 of width 12 ")
    assert rows["LSTM"] == "7 cells projected to 6, forward and backward"
    assert rows["Clips"] == "cell 3, projection 3"
    # By hand: characters, filters, highway, projection, then 2 layers in 2 directions.
    cnn = 261 * 4 + (3 * 4 + 3) + (5 * 4 * 2 + 5) + 2 * (8 * 8 + 8) + (6 * 8 + 6)
    lstm = 2 * 2 * (4 * 7 * (6 + 6) + 4 * 7 + 6 * 7)
    assert rows["Parameters"] == f"{cnn + lstm:,}, without the softmax"
    lm.save(tmp_path / "model")
    printed = run(tmp_path / "model")
    for name, value in rows.items():
        assert f"{name}  " in printed
        assert value in printed


def test_word_model_with_softmax_and_warm_state():
    lm = BiLM(WORDS, VOCABULARY)
    lm.softmax = Softmax(5, 6)
    lm.softmax.reset_parameters()
    before = describe(lm)
    assert before["Input"] == "5 words"
    assert before["LSTM"] == "6 cells as it is, forward only"
    assert before["Skip connections"] == "no"
    assert before["Clips"] == "cell off, projection off"
    assert before["Vocabulary"] == "5 words"
    assert before["Softmax"] == "5 words x 6"
    assert before["Parameters"] == f"{5 * 6 + 2 * (24 * 12 + 24):,}, without the softmax"


def test_initial_state_is_what_the_weights_say(tmp_path):
    lm = BiLM(CHARACTERS)
    assert describe(lm)["Initial state"] == "zero"
    lm.warm_up([["the", "bank"]])
    lm.save(tmp_path / "warm")
    assert describe(BiLM.from_pretrained(tmp_path / "warm"))["Initial state"] == "warm"


@pytest.mark.parametrize("name", ["model", "weights.hdf5"])
def test_card(tmp_path, name):
    save(BiLM(CHARACTERS), tmp_path / name)
    assert "No card" in run(tmp_path / name, "--card")
    folder = tmp_path / name if (tmp_path / name).is_dir() else tmp_path
    (folder / "README.md").write_text("---\nlicense: mit\n---\nTrained on naught.")
    printed = run(tmp_path / name, "--card")
    assert "Trained on naught." in printed
    assert "license:" not in printed
    printed = run(tmp_path / name)
    assert ("MIT" in printed) == (name == "model")  # what lies beside a file may belong to others
    assert "Trained on naught." not in printed
    assert str(folder / "README.md") in printed


def test_published_weights(shared):
    printed = run(shared / "weights" / "en-interim")
    assert "3 of width 256" in printed
    assert "2,996,432" in printed


def test_a_pipeline(tmp_path):
    """Its component's weights, with their licences beside that of the pipeline."""
    BiLM(CHARACTERS).save(tmp_path / "model")
    (tmp_path / "model/README.md").write_text("Text: CC BY-SA 4.0.")
    nlp = spacy.blank("xx")
    nlp.add_pipe("elmo", config={"model": {"weights": str(tmp_path / "model")}})
    nlp.to_disk(tmp_path / "pipeline")
    printed = run(tmp_path / "pipeline")
    assert "Its licence: none is named" in printed
    assert "Component 'elmo'" in printed
    assert "3 of width 12" in printed
    assert re.search(r"Licences +CC BY-SA 4.0", printed)
    spacy.blank("xx").to_disk(tmp_path / "other")
    result = CliRunner().invoke(app, ["info", str(tmp_path / "other")])
    assert result.exit_code == 1
    assert "a pipeline without `elmo`" in result.output
