"""Vocabulary files: what is written is read back, and what cannot be a vocabulary is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.errors import CorpusError, ElmoError
from spacy_elmo.vocabulary import (
    BOS,
    BOS_WORD,
    EOS,
    EOS_WORD,
    SPECIAL_WORDS,
    UNK,
    UNK_WORD,
    check_vocabulary,
    read_vocabulary,
    read_words,
    write_vocabulary,
)

WORDS = st.text(st.characters(exclude_characters="\r\n", codec="utf8"), min_size=1)


def test_ids_of_the_special_words() -> None:
    assert [SPECIAL_WORDS[number] for number in (BOS, EOS, UNK)] == [BOS_WORD, EOS_WORD, UNK_WORD]


@given(words=st.lists(WORDS, unique=True))
def test_words_are_read_back(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    write_vocabulary(path, words)
    assert path.read_bytes().count(b"\n") == len(words)
    assert read_vocabulary(path, n_words=len(words)) == read_words(path) == words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", ""], "line 2 is empty"),
        (["a", "b\rc"], r"the word 'b\\rc' \(line 2\) holds a line break"),
        (["a\n"], r"the word 'a\\n' \(line 1\) holds a line break"),
        (["a", "b", "a"], "'a' stands on line 1 and again on line 3"),
        (["a", "\ud800"], "UTF-8 cannot hold a word"),
    ],
)
def test_words_that_make_no_vocabulary(tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        write_vocabulary(tmp_path / "vocab.txt", words, error=CorpusError)


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes("a\r\n\u2028\r\nb".encode())
    assert read_vocabulary(tmp_path / "vocab.txt") == ["a", "\u2028", "b"]
    (tmp_path / "vocab.txt").write_bytes(b"a\rb\n")
    with pytest.raises(ElmoError, match="line break"):
        read_vocabulary(tmp_path / "vocab.txt")


def test_special_words() -> None:
    anywhere = ["a", *reversed(SPECIAL_WORDS)]
    check_vocabulary("these words", anywhere, special="anywhere")
    check_vocabulary("these words", [*SPECIAL_WORDS, "a"], special="first")
    check_vocabulary("these words", ["a"])
    with pytest.raises(ElmoError, match="these words: the first three words must be <S>, </S>"):
        check_vocabulary("these words", anywhere, special="first")
    with pytest.raises(ElmoError, match="these words: lacks <S>: "):
        check_vocabulary("these words", anywhere[:-1], special="anywhere")


@pytest.mark.parametrize("words", [["\ufeffa", "b"], ["a", "\ufeffb"], ["\ufeff", "b"]])
def test_byte_order_marks_within_words_stay(tmp_path: Path, words: list[str]) -> None:
    write_vocabulary(tmp_path / "v", words)
    assert read_vocabulary(tmp_path / "v") == words


def test_a_byte_order_mark_before_the_words_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("<S>\nthe\n", "utf-8-sig")
    assert read_words(tmp_path / "v") == ["<S>", "the"]
    (tmp_path / "v").write_text("<S>\nthe\n", "utf-16")
    with pytest.raises(ElmoError, match="v: line 1 is not UTF-8"):
        read_words(tmp_path / "v")
