"""The README, run: its Python in one namespace from top to bottom, its commands in their order."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf8")

# Commands of the README that something else runs, and the file that does.
RUN_ELSEWHERE = {
    "make demo": "tests/test_demo.py",
    "make test": ".ci/run",
    "spacy project run smoke": "tests/test_project.py",
}
# What keeps a command short here. The command itself stays as it is written.
SHORTER = {
    "spacy train": ["--training.max_steps", "4", "--training.eval_frequency", "2"],
}
SENTENCES = ["The bank raised its rates .", "They sat on the river bank .", "She reads ."]
TAGS = [["DT", "NN", "VBD", "PRP$", "NNS", "."], ["PRP", "VBD", "IN", "DT", "NN", "NN", "."]]


def blocks(language: str) -> list[str]:
    """Code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Shell commands, continued lines joined."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def test_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for number, code in enumerate(blocks("python"), 1):
        exec(compile(code, f"README.md, Python block {number}", "exec"), namespace)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the README's commands read."""
    nlp = spacy.blank("en")
    for name in ("train", "dev"):
        docs = DocBin()
        for text, tags in zip(SENTENCES, TAGS, strict=False):
            words = text.split()
            docs.add(Doc(nlp.vocab, words=words, tags=tags))
        docs.to_disk(tmp_path / f"{name}.spacy")
    (tmp_path / "text.txt").write_text("\n".join(SENTENCES * 20), encoding="utf8")
    (tmp_path / "heldout.txt").write_text("\n".join(SENTENCES), encoding="utf8")
    (tmp_path / "configs").mkdir()
    shutil.copy(ROOT / "configs/pretrain_smoke.json", tmp_path / "configs/pretrain_en_sm.json")
    return tmp_path


def test_commands(folder: Path) -> None:
    environment = Path(sys.executable).parent
    for command in commands():
        if command in RUN_ELSEWHERE:
            assert (ROOT / RUN_ELSEWHERE[command]).exists(), command
            continue
        words = shlex.split(command)
        shorter = SHORTER.get(" ".join(words[:2]), [])
        program = environment / words[0]
        done = subprocess.run(
            [str(program), *words[1:], *shorter],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_config_it_names_exists() -> None:
    assert (ROOT / "configs/pretrain_en_sm.json").exists()


def test_links_and_pictures_exist() -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", README)
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target
