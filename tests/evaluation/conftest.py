"""Weights and data sets so small that the right figure is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import tiny_lm


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "random"
    tiny_lm().save(path)
    return str(path)


@pytest.fixture
def wic_folder(tmp_path: Path) -> Path:
    """Two pairs of different senses, two of the same."""
    rows = [
        ("bank\tN\t1-0\tThe bank lends .\tBanks lend money .", "T"),
        ("bank\tN\t1-2\tThe bank lends .\tOn the bank .", "F"),
        ("run\tV\t1-1\tThey run .\tWe run .", "T"),
        ("run\tV\t1-0\tThey run .\tRun the firm .", "F"),
    ]
    for split in ("train", "dev"):
        folder = tmp_path / "wic" / split
        folder.mkdir(parents=True)
        (folder / f"{split}.data.txt").write_text("\n".join(row for row, _ in rows))
        (folder / f"{split}.gold.txt").write_text("\n".join(gold for _, gold in rows))
    return tmp_path / "wic"


@pytest.fixture
def wsd_folder(tmp_path: Path) -> Path:
    """One word, whose sense the word before it tells."""
    lines = {
        "train": ["1\triver bank .", "1\triver bank !", "1\tsavings bank .", "1\triver bank ?"],
        "test": ["1\tsavings bank .", "1\triver bank ."],
    }
    gold = {"train": "1\n1\n0\n1", "test": "0\n1"}
    folder = tmp_path / "coarsewsd20" / "bank"
    folder.mkdir(parents=True)
    for split, texts in lines.items():
        (folder / f"{split}.data.txt").write_text("\n".join(texts))
        (folder / f"{split}.gold.txt").write_text(gold[split])
    return tmp_path / "coarsewsd20"
