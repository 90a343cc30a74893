"""Data sets and texts, read as published."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.coarsewsd import (
    read_all,
)
from evaluation.readers import Marked, read_text, read_wic, sample_text


def test_wic_is_read_as_published(wic_folder: Path) -> None:
    pairs = read_wic(wic_folder, "dev")
    assert [pair.same for pair in pairs] == [True, False, True, False]
    assert pairs[0].second == Marked(["Banks", "lend", "money", "."], 0)
    assert [pair.first.words[pair.first.place] for pair in pairs] == ["bank", "bank", "run", "run"]


def test_text_is_split_into_words_and_sentences(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("It rains. Don't go!\n\nStay here.\n")
    sentences = list(read_text([tmp_path / "a.txt"]))
    assert sentences == [["It", "rains", "."], ["Do", "n't", "go", "!"], ["Stay", "here", "."]]
    # An equal share from each file.
    sample = sample_text([tmp_path / "a.txt", tmp_path / "b.txt"], 8)
    assert sample == sentences[:2] * 2


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="spacy project assets"):
        read_wic(tmp_path, "dev")
    with pytest.raises(SystemExit, match="no CoarseWSD-20"):
        read_all(tmp_path)
