"""Character ids, against the ids AllenNLP's own tests name and bilm-tf's data code makes."""

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.bilm.characters import character_ids, read_of


def test_sentence_boundaries() -> None:
    begin, end = character_ids(["<S>", "</S>"], 8).tolist()
    assert begin == [259, 257, 260, 261, 261, 261, 261, 261]
    assert end == [259, 258, 260, 261, 261, 261, 261, 261]


def test_bytes_not_characters() -> None:
    # AllenNLP's elmo_indexer_test: "Āt" is 196 128 116.
    assert character_ids(["Āt"], 7).tolist() == [[259, 197, 129, 117, 260, 261, 261]]


def test_ids_of_bilm_tf(shared: Path) -> None:
    expected = json.loads((shared / "fixtures/bilm-tf/data_expected.json").read_text("utf8"))
    for word, ids in expected["word_to_char_ids_50"].items():
        # Those ids carry no offset.
        assert character_ids([word])[0].tolist() == [i + 1 for i in ids], word


@given(
    st.lists(st.text(st.characters(codec=None, exclude_categories=())), max_size=5),
    st.integers(3, 60),
)
def test_any_text(words: list[str], max_characters: int) -> None:
    ids = character_ids(words, max_characters)
    assert ids.shape == (len(words), max_characters)
    for word, row in zip(words, ids, strict=True):
        units = word.encode("utf-8", "ignore")[: max_characters - 2]
        assert row[0] == 259
        if word not in ("<S>", "</S>"):
            assert bytes((row[1 : len(units) + 1] - 1).astype(np.uint8)) == units
            assert row[len(units) + 1] == 260
        assert (row[len(units) + 2 :] == 261).all() or word in ("<S>", "</S>")


def test_a_word_is_cut_inside_a_character() -> None:
    cut = character_ids(["aé"], 4)[0].tolist()
    assert cut == [259, ord("a") + 1, 0xC3 + 1, 260]


@given(
    words=st.lists(st.text(max_size=12), max_size=5),
    max_characters=st.integers(3, 9),
)
def test_words_of_the_same_ids_are_read_the_same(words: list[str], max_characters: int) -> None:
    words = [*words, "<S>", "</S>", "<S>x", "</S>xyz", "\ud800<S>", "\ud800" * 9 + "ab"]
    ids = character_ids(words, max_characters)
    read = [read_of(word, max_characters) for word in words]
    for k, one in enumerate(read):
        for j, other in enumerate(read):
            assert (one == other) == (ids[k] == ids[j]).all()
