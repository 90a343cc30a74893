"""The pages of docs/ about corpora and PyTorch, run: their Python from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Code blocks of a language."""
    text = (DOCS / page).read_text(encoding="utf8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["pytorch.md"])
def test_python(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    assert blocks(page, "python")
    for number, code in enumerate(blocks(page, "python"), 1):
        exec(compile(code, f"docs/{page}, Python block {number}", "exec"), namespace)
