"""`init-config`: configs that need no further hand, or a clear word why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from spacy.training import Example
from spacy.util import load_config, load_model_from_config
from typer.testing import CliRunner

from spacy_elmo.cli.app import app
from tests.tiny import tiny_lm

# Every pipe of spaCy with a `tok2vec`.
TRAINABLE = (
    "tagger",
    "morphologizer",
    "trainable_lemmatizer",
    "parser",
    "ner",
    "span_finder",
    "spancat",
    "spancat_singlelabel",
    "textcat",
    "textcat_multilabel",
    "entity_linker",
)
LISTENER = "spacy-elmo.ElmoListener.v1"


def init_config(*args: object) -> Result:
    return CliRunner().invoke(app, ["init-config", *map(str, args)])


def architectures(block: Any) -> list[str]:
    """All architectures named inside a block."""
    if not isinstance(block, dict):
        return []
    here = [block["@architectures"]] if "@architectures" in block else []
    return here + [name for value in block.values() for name in architectures(value)]


@pytest.mark.parametrize("pipe", TRAINABLE)
def test_every_trainable_pipe_listens(pipe: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.cfg"
    result = init_config(path, "--pipeline", pipe, "--width", 16)
    assert result.exit_code == 0, result.output
    config = load_config(path)
    assert config["nlp"]["pipeline"] == ["elmo", pipe]
    assert set(config["components"]) == {"elmo", pipe}
    assert config["components"]["elmo"]["frozen"] is True
    assert config["components"]["elmo"]["cache"] == "memory"
    assert architectures(config["components"]["elmo"]) == ["spacy-elmo.BiLM.v1"]
    found = architectures(config["components"][pipe])
    assert found.count(LISTENER) == 1
    assert found.count("spacy-elmo.ElmoEmbed.v1") == 1
    assert found.count("spacy.MultiHashEmbed.v2") == 1
    assert "spacy.Tok2VecListener.v1" not in found
    assert found.count("spacy.MaxoutWindowEncoder.v2") == 1
    # It is filled, and every block is one that the functions behind it accept.
    assert load_model_from_config(config, auto_fill=False).config == config


def test_the_config_trains(tmp_path: Path) -> None:
    tiny_lm().save(tmp_path / "weights")
    for number, (width, depth, features) in enumerate(
        [(0, 0, "no-features"), (5, 0, "no-features"), (6, 2, "no-features"), (6, 1, "features")]
    ):
        path = tmp_path / f"{number}.cfg"
        sizes = ("--width", width, "--depth", depth, f"--{features}")
        given = ("--weights", tmp_path / "weights", *sizes)
        assert init_config(path, "--pipeline", "tagger,ner", *given).exit_code == 0
        nlp = load_model_from_config(load_config(path), auto_fill=False)
        doc = nlp.make_doc("Ada sat down")
        gold = {"tags": ["NNP", "VBD", "RP"], "entities": [(0, 3, "PERSON")]}
        example = Example.from_dict(doc, gold)
        optimizer = nlp.initialize(lambda example=example: [example])
        for _ in range(200):
            nlp.update([example], sgd=optimizer)
        doc = nlp("Ada sat down")
        assert [token.tag_ for token in doc] == gold["tags"]
        assert [ent.text for ent in doc.ents] == ["Ada"]
        have = nlp.get_pipe("tagger").model.get_ref("tok2vec").get_dim("nO")
        assert have == (width or 16)


def test_pipes_without_vectors_stay(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    assert init_config(path, "-p", "elmo, sentencizer, tagger ,").exit_code == 0
    pipeline = load_config(path)["nlp"]["pipeline"]
    assert pipeline == ["sentencizer", "elmo", "tagger"]


def test_standard_output_is_the_config_alone(tmp_path: Path) -> None:
    result = init_config("--pipeline", "tagger")
    assert result.exit_code == 0
    (tmp_path / "piped.cfg").write_text(result.stdout)
    written = tmp_path / "written.cfg"
    init_config(written, "--pipeline", "tagger")
    assert load_config(tmp_path / "piped.cfg") == load_config(written)


def test_other_languages(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    for weights in ("en_elmo_md", "en_elmo_sm"):
        result = init_config(path, "-l", "de", "-p", "tagger", "-w", weights, "--force")
        assert f"{weights} was trained on English" in result.output
    assert load_config(path)["nlp"]["lang"] == "de"
    result = init_config(path, "-l", "de", "-p", "tagger", "-w", "some/dir", "--force")
    assert "trained on English" not in result.output
    assert load_config(path)["components"]["elmo"]["model"]["weights"] == "some/dir"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pipeline", "taggr"], "taggr"),
        (["--pipeline", "sentencizer"], "can listen to vectors"),
        (["--pipeline", ""], "can listen to vectors"),
        (["--lang", "xq"], "language 'xq'"),
        (["--width", "0"], "need a width"),
        (["--width", "0", "--depth", "0"], "need a width"),
    ],
)
def test_mistakes_are_named(arguments: list[str], words: str, tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    result = init_config(path, *arguments)
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output
    assert not path.exists()


def test_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    path.write_text("mine")
    result = init_config(path, "--pipeline", "tagger")
    assert result.exit_code == 1
    assert "--force" in result.output
    assert path.read_text() == "mine"
    assert init_config(path, "--pipeline", "tagger", "--force").exit_code == 0
    assert load_config(path)["nlp"]["lang"] == "en"


def test_sentences_by_rule_are_found_before_elmo_and_in_training() -> None:
    from spacy_elmo.cli.init_config import elmo_config

    config = elmo_config("en", ["tagger", "sentencizer"])
    assert config["nlp"]["pipeline"] == ["sentencizer", "elmo", "tagger"]
    assert config["training"]["annotating_components"] == ["sentencizer"]
    assert elmo_config("en", ["tagger"])["training"]["annotating_components"] == []


def test_weights_that_are_not_here_are_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    result = init_config(path, "--pipeline", "tagger", "--weights", "en_elmo_lg")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "the config names weights that are not here" in said
    assert "en_elmo_lg" in said
    assert load_config(path)["components"]["elmo"]["model"]["weights"] == "en_elmo_lg"
    assert "not here" not in init_config(tmp_path / "b.cfg", "-p", "tagger").output
