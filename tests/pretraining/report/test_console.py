"""A console that fails does not end the work."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.report.progress import Progress
from spacy_elmo.pretraining.run.events import Message
from tests.pretraining.processes import ENVIRONMENT, ROOT, command
from tests.pretraining.small import config, make_corpus

pytestmark = pytest.mark.skipif(os.name == "nt", reason="closes streams by a shell")


def shell(line: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which `"$@"` is the program."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}", "bash", sys.executable, *arguments],
        cwd=ROOT,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("text"), number=60).path


@pytest.mark.parametrize(
    "line", ['"$@" >&- 2>&- <&-', pytest.param('"$@" 2> >(exec true)', marks=pytest.mark.soak)]
)
def test_training_goes_on(line: str, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = shell(line, *command(corpus, out, config(tokens=200))[1:])
    assert done.returncode == 0, done.stderr
    assert (out / "config.json").exists()
    assert (out / "training" / "log.jsonl").exists()


def test_preparing_and_measuring(corpus: Path, tmp_path: Path) -> None:
    """Names that the console cannot show; figures are written before they are shown."""
    text = tmp_path / "日本.txt"
    text.write_text("the cat sees it ?\n")
    module = ("-m", "spacy_elmo")
    done = shell('"$@" >&- 2>&-', *module, "prepare", str(text), str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert Corpus(tmp_path / "out").n_sentences == 1
    figures = tmp_path / "figures.json"
    arguments = (*module, "evaluate", "en_elmo_sm", str(text), "-o", str(figures))
    done = shell('"$@"', *arguments, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr
    assert b"\\u65e5\\u672c.txt" in done.stdout
    assert str(text) in json.loads(figures.read_text("utf8"))


@pytest.mark.parametrize("stream", [None, "closed", "strict"])
def test_events_that_cannot_be_told(stream: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    if stream == "closed":
        file.close()
    monkeypatch.setattr(sys, "stderr", None if stream is None else file)
    monkeypatch.setattr(file, "isatty", lambda: False, raising=False)
    progress = Progress()
    for text in ("日本", "after"):
        progress(Message(text))
