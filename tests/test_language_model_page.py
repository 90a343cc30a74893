"""docs/language-model.md, run: its Python from top to bottom, its commands, its config."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from thinc.api import Config

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "language-model.md").read_text(encoding="utf8")


def blocks(language: str) -> list[str]:
    """Code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_python() -> None:
    assert len(blocks("python")) == 4
    namespace: dict[str, object] = {}
    for number, code in enumerate(blocks("python"), 1):
        exec(compile(code, f"language-model.md, Python block {number}", "exec"), namespace)


def test_commands(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("They sat on the river bank.\n\nShe reads.\n", "utf8")
    commands = [shlex.split(line, comments=True) for line in "".join(blocks("bash")).splitlines()]
    assert len(commands) == 2
    for program, *words in commands:
        done = subprocess.run(
            [str(Path(sys.executable).parent / program), *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert len((tmp_path / "scores.tsv").read_text("utf8").splitlines()) == 1 + 10
    assert len((tmp_path / "scores.jsonl").read_text("utf8").splitlines()) == 2


@pytest.mark.parametrize("code", blocks("ini"))
def test_config(code: str) -> None:
    parents = "[components]\n[components.tagger]\n[components.tagger.model]\n"
    block = Config().from_str(parents + code)["components"]["tagger"]["model"]["tok2vec"]
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo")
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": block}
    nlp.add_pipe("tagger", config={"model": model})
    assert "tagger" in nlp.get_pipe("elmo").listening_components  # type: ignore[attr-defined]
