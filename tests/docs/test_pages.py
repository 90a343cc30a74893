"""The README and the pages of docs/: their Python, their commands, their links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import snippets

ROOT = snippets.ROOT
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Pages whose code has a test of its own beside this file, as it needs more than it says.
OWN_TESTS = ("coming-from.md", "corpora.md", "processes.md", "published-models.md", "senses.md")
# Pages whose commands run each time; those of the others, dozens of processes, run in `make soak`.
ALWAYS = ("README.md", "getting-started.md")


def with_blocks(language: str) -> list[object]:
    """Pages that have code of a language."""
    pages = [page for page in PAGES if page.name not in OWN_TESTS]
    pages = [page for page in pages if snippets.blocks(page, language)]
    return [
        pytest.param(
            page,
            id=page.name,
            marks=pytest.mark.soak if language == "bash" and page.name not in ALWAYS else (),
        )
        for page in pages
    ]


@pytest.mark.parametrize("page", with_blocks("python"))
def test_python(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name == "cookbook.md":
        pytest.importorskip("sklearn", reason="a recipe uses scikit-learn")
    monkeypatch.chdir(tmp_path)
    snippets.run_python(page)


@pytest.mark.parametrize("page", with_blocks("bash"))
def test_commands(page: Path, tmp_path: Path) -> None:
    snippets.fill(tmp_path)
    snippets.run_commands(page, tmp_path)


def test_the_config_it_names_exists() -> None:
    assert (ROOT / "configs/pretrain_en_sm.json").exists()


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_and_pictures_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf8")):
        assert (page.parent / target).exists(), target
