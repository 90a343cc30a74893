"""Code blocks of Markdown pages, run: Python in one namespace per page, commands in their order."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc, DocBin

ROOT = Path(__file__).resolve().parents[2]

# Commands that something else runs, and the file that does.
RUN_ELSEWHERE = {
    "make demo": "tests/test_demo.py",
    "pip install .": "tests/test_packaging.py",
    "make test": ".ci/run",
    "make docs": "tests/docs/test_site.py",
    "make notebooks": "tests/docs/test_notebooks.py",
    "make gpu": "tests/pretraining/gpu/test_whole_way.py",
    "make gpu-pack": "tests/pretraining/gpu/test_whole_way.py",
    "make gpu-unpack": "tests/pretraining/gpu/test_whole_way.py",
    "spacy project run smoke": "tests/test_project.py",
}
# What keeps a command short here. The command itself stays as it is written.
SHORTER = {
    "spacy train": ["--training.max_steps", "4", "--training.eval_frequency", "2"],
}
SENTENCES = ["The bank raised its rates .", "They sat on the river bank .", "She reads ."]
TAGS = [["DT", "NN", "VBD", "PRP$", "NNS", "."], ["PRP", "VBD", "IN", "DT", "NN", "NN", "."]]


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(encoding="utf8"), re.MULTILINE | re.DOTALL)


def run_python(page: Path) -> dict[str, Any]:
    """Run the Python of a page from top to bottom, in the working directory.

    Returns:
        The names it leaves.
    """
    namespace: dict[str, Any] = {}
    for number, code in enumerate(blocks(page, "python"), 1):
        exec(compile(code, f"{page.name}, Python block {number}", "exec"), namespace)
    return namespace


def commands(page: Path) -> list[str]:
    """Shell commands of a page, continued lines joined."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def run_commands(page: Path, folder: Path) -> None:
    """Run the commands of a page in a folder; those that another test runs must have that test."""
    environment = Path(sys.executable).parent
    for command in commands(page):
        words = shlex.split(command)
        elsewhere = RUN_ELSEWHERE.get(command) or RUN_ELSEWHERE.get(" ".join(words[:2]))
        if elsewhere:
            assert (ROOT / elsewhere).exists(), command
            continue
        shorter = SHORTER.get(" ".join(words[:2]), [])
        program = environment / words[0]
        done = subprocess.run(
            [str(program) if program.exists() else words[0], *words[1:], *shorter],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def fill(folder: Path) -> None:
    """Write the files that the pages' commands read."""
    nlp = spacy.blank("en")
    for name in ("train", "dev"):
        docs = DocBin()
        for text, tags in zip(SENTENCES, TAGS, strict=False):
            words = text.split()
            docs.add(
                Doc(nlp.vocab, words=words, tags=tags, ents=["O"] * (len(words) - 1) + ["B-END"])
            )
        docs.to_disk(folder / f"{name}.spacy")
        (folder / f"{name}.conllu").write_text("\n".join(_conllu()), encoding="utf8")
    (folder / "adapt.json").write_text('{"learning_rate": 0.0006, "order": "shuffled"}', "utf8")
    (folder / "text.txt").write_text("\n".join(SENTENCES * 20), encoding="utf8")
    (folder / "heldout.txt").write_text("\n".join(SENTENCES), encoding="utf8")
    (folder / "configs").mkdir()
    shutil.copy(ROOT / "configs/pretrain_smoke.json", folder / "configs/pretrain_en_sm.json")


def _conllu() -> Iterator[str]:
    """The tagged sentences, each a tree in which all words hang on the first."""
    for text, tags in zip(SENTENCES, TAGS, strict=False):
        for number, (word, tag) in enumerate(zip(text.split(), tags, strict=True), 1):
            relation = "root" if number == 1 else "dep"
            head = 0 if number == 1 else 1
            yield f"{number}\t{word}\t{word}\tX\t{tag}\t_\t{head}\t{relation}\t_\t_"
        yield ""
    yield ""
