"""Annotated data sets to spaCy's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from scripts import convert


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="spacy project assets"):
        convert.main("ewt", tmp_path, tmp_path)


def test_wnut17_and_sst5_are_read_as_published(tmp_path: Path) -> None:
    path = tmp_path / "emerging.conll"
    path.write_text("Empire\tB-location\nState\tI-location\n#hot\tO\n\t\nBob\tB-person\n\n\n")
    first, second = convert.read_wnut17(path)
    assert [(ent.text, ent.label_) for ent in first.ents] == [("Empire State", "location")]
    assert [token.ent_iob_ for token in first] == ["B", "I", "O"]
    assert [ent.label_ for ent in second.ents] == ["person"]
    path = tmp_path / "trees.txt"
    path.write_text("(3 (2 It) (4 (2 works\\/runs) (2 -RRB-)))\n(0 (1 ``) (0 No))\n")
    first, second = convert.read_sst5(path)
    assert [token.text for token in first] == ["It", "works/runs", ")"]
    assert first.cats == {"0": 0, "1": 0, "2": 0, "3": 1, "4": 0}
    assert [token.text for token in second] == ['"', "No"]
    assert second.cats["0"] == 1


@pytest.mark.parametrize(
    ("name", "folder", "sentences", "words"),
    [
        ("ewt", "ud-english-ewt", (12544, 2001, 2077), 25094),
        ("gsd", "ud-german-gsd", (720, 79, 977), 16499),
        ("wnut17", "wnut17", (3394, 1009, 1287), 23394),
        ("sst5", "sst5", (8544, 1101, 2210), 42405),
    ],
)
def test_the_real_data_sets(
    name: str, folder: str, sentences: Sequence[int], words: int, shared: Path
) -> None:
    read, files = convert.DATA_SETS[name]
    docs = list(read(shared / "eval" / folder / files["test"]))
    assert (len(docs), sum(map(len, docs))) == (sentences[2], words)


def test_dev_sentences_are_held_out_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "de_gsd-ud-test.conllu").write_text("1\tJa\tja\tINTJ\tITJ\t_\t0\troot\t_\t_\n\n")
    words = [f"1\tW{k}\tw\tX\tXY\t_\t0\troot\t_\t_\n\n" for k in range(25)]
    (tmp_path / "de_gsd-ud-dev.conllu").write_text("".join(words))
    convert.main("gsd", tmp_path, tmp_path / "out")
    found = {}
    for split in ("train", "dev", "test"):
        docs = DocBin().from_disk(tmp_path / "out" / f"{split}.spacy").get_docs(Vocab())
        found[split] = [doc[0].text for doc in docs]
    assert [len(texts) for texts in found.values()] == [23, 2, 1]
    assert sorted(found["train"] + found["dev"]) == sorted(f"W{k}" for k in range(25))


def test_words_of_tagged_docs_stay_as_annotated(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("and/or/CCONJ 1/2/NUM\n")
    (doc,) = convert.read_tagged(tmp_path / "x.txt")
    assert [(token.text, token.tag_) for token in doc] == [("and/or", "CCONJ"), ("1/2", "NUM")]
    assert isinstance(doc, Doc)
    assert spacy.blank("en").vocab is not doc.vocab
