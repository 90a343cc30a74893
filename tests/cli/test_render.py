"""`render`: pictures of texts, pipelines and trainings from the command line."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
import spacy
from click.testing import Result
from spacy.tokens import DocBin, Span
from typer.testing import CliRunner

from spacy_elmo.cli.app import app
from tests.tiny import tiny_lm
from tests.visual.test_render import listening

TEXT = "The bank raised its rates.\nThey sat on the river bank. <b>Fish</b> swam.\n"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random"
    tiny_lm().save(path)
    return path


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "text.txt"
    path.write_text(TEXT, "utf8")
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["render", *map(str, args)])


def test_a_page_and_a_picture(weights: Path, text: Path) -> None:
    done = run("senses", text, "--word", "bank", "-w", weights)
    assert done.exit_code == 0, done.output
    assert text.with_name("senses.html").read_text("utf8").startswith("<!DOCTYPE html>")
    done = run("senses", text, "--word", "bank", "-w", weights, "-o", "a.svg", "--theme", "dark")
    assert done.exit_code == 0, done.output
    root = ElementTree.parse("a.svg").getroot()
    assert root.get("class") == "elmo elmo-dark"


@pytest.mark.parametrize("style", ["similarity", "explorer"])
def test_other_styles_of_texts(weights: Path, text: Path, style: str) -> None:
    done = run(style, text, "-w", weights, "--projector", "logs", "--minify", "-o", "out.html")
    assert done.exit_code == 0, done.output
    assert "Fish" in text.with_name("out.html").read_text("utf8")
    assert "Wrote 20 vectors" in done.output
    assert text.with_name("logs").joinpath("vectors.tsv").exists()


def test_options_and_limits(weights: Path, text: Path) -> None:
    args = ("--option", "labels=null", "--option", "max_items=3", "--limit", 4, "-o", "-")
    done = run("similarity", text, "-w", weights, *args)
    assert done.exit_code == 0, done.output
    assert "3 of 6 shown" in done.output
    assert "Stopped after 6 tokens (--limit 4)" in done.output


def test_docs_tokens_and_a_pipeline_of_ones_own(weights: Path, text: Path) -> None:
    nlp = listening(weights)
    nlp.to_disk("pipeline")
    DocBin(docs=[nlp.make_doc("the bank"), nlp.make_doc("a bank")]).to_disk("docs.spacy")
    text.with_suffix(".jsonl").write_text('{"tokens": ["my", "bank"]}\n')
    args = ("senses", "docs.spacy", "text.jsonl", "--word", "bank", "-p", "pipeline", "-o", "-")
    done = run(*args)
    assert done.exit_code == 0, done.output
    assert "3 occurrences" in done.output


def test_layers_and_curves(weights: Path, text: Path) -> None:
    listening(weights).to_disk("pipeline")
    assert run("layers", "pipeline", "-o", "layers.svg").exit_code == 0
    assert "tagger" in text.with_name("layers.svg").read_text("utf8")
    log = text.with_name("training") / "log.jsonl"
    log.parent.mkdir()
    log.write_text('{"step": 5, "tokens": 100, "loss": [5.0, 5.2]}\n')
    assert run("curves", ".", "-o", "curves.svg").exit_code == 0
    assert "perplexity" in text.with_name("curves.svg").read_text("utf8")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("sense", "text.txt"), "unknown style 'sense': expected one of 'similarity'"),
        (("senses", "text.txt"), "name it in the option word"),
        (("senses", "text.txt", "--word", "bnak"), "'bnak' does not occur"),
        (("similarity", "text.txt", "--word", "bank"), "--word is for senses and explorer"),
        (("explorer", "absent.txt"), "no such file: absent.txt"),
        (("explorer", "empty.txt"), "there is no word in empty.txt"),
        (("explorer", "text.txt", "-o", "page.svg"), "explorer is HTML, no SVG"),
        (("explorer", "text.txt", "-o", "text.txt"), "text.txt exists"),
        (("explorer", "text.txt", "-o", "."), ". is a folder"),
        (("explorer", "text.txt", "--option", "x=1"), "'explorer' has no option 'x'"),
        (("explorer", "text.txt", "--option", "x"), "expected NAME=VALUE"),
        (("explorer", "text.txt", "--lang", "qq"), "language 'qq'"),
        (("curves", ".", "--projector", "logs"), "curves shows none"),
        (("curves", ".", "."), "curves takes one input, not 2"),
        (("curves", "."), "holds no training/log.jsonl"),
        (("layers", "absent"), "absent"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    weights: Path, text: Path, args: tuple[str, ...], message: str
) -> None:
    text.with_name("empty.txt").write_text("\n")
    before = sorted(text.parent.iterdir())
    done = run(*args, "-w", weights)
    assert done.exit_code == 1
    assert message in done.output
    assert "Traceback" not in done.output
    assert sorted(text.parent.iterdir()) == before


def test_the_projector_gets_the_options_and_its_failure_keeps_the_picture(
    weights: Path, text: Path
) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}, "attribute": "other"})
    nlp.to_disk("pipeline")
    doc = nlp.make_doc("the bank")
    doc.spans["key"] = [Span(doc, 1, 2, "money")]
    DocBin(docs=[doc]).to_disk("docs.spacy")
    options = ("--option", "attribute=other", "--option", "spans_key=key", "-p", "pipeline")
    done = run("senses", "docs.spacy", "--word", "bank", *options, "--projector", "logs")
    assert done.exit_code == 0, done.output
    assert Path("logs/metadata.tsv").read_text("utf8").splitlines()[1].startswith("bank\tmoney\t")
    assert 'tensor_name: "other"' in Path("logs/projector_config.pbtxt").read_text("utf8")
    Path("file").touch()
    args = ("--projector", "file", "-o", "kept.html")
    assert run("senses", "docs.spacy", "--word", "bank", *options, *args).exit_code == 1
    assert Path("kept.html").read_text("utf8").startswith("<!DOCTYPE html>")


def test_replaced_bytes_are_told(weights: Path, text: Path) -> None:
    text.write_bytes(b"the b\xe9nk\n")
    done = run("similarity", text, "-w", weights, "-o", "x.html")
    assert done.exit_code == 0, done.output
    assert "1 undecodable bytes replaced by U+FFFD" in done.stderr
