"""Options and vocabularies under the names that published files bear."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from spacy_elmo.formats import WeightsError, load, save
from tests.formats.models import TINY_WORDS, assert_same, model


def saved(
    folder: Path, weights: str, options: str, vocab: str = "", *, words: bool = False
) -> Path:
    """Weights with options, and with a vocabulary, of these names."""
    save(model(TINY_WORDS) if words else model(), folder / "a.hdf5")
    (folder / "a_options.json").rename(folder / options)
    if words:
        data = (folder / "a_vocab.txt").read_bytes()
        (folder / "a_vocab.txt").unlink()
        (folder / vocab).write_bytes(gzip.compress(data) if vocab.endswith(".gz") else data)
    return (folder / "a.hdf5").rename(folder / weights)


@pytest.mark.parametrize(
    ("weights", "options"),
    [
        ("es_weights.hdf5", "options262.json"),
        ("es_weights.hdf5", "es_options262.json"),
        ("slovenian-elmo-weights.hdf5", "options.json"),
        ("slovenian-elmo-weights.hdf5", "slovenian-elmo-options.json"),
        ("slovenian-elmo-weights.hdf5", "slovenian-elmo-weights_options.json"),
        ("big_weights_PubMed_only.hdf5", "big_options.json"),
        ("big_weights_PubMed_only.hdf5", "big_options_PubMed_only.json"),
        ("mimic_wiki.hdf5", "options.json"),
        ("x.hdf5", "x-options.json"),
        ("weights.hdf5", "options-262.json"),
    ],
)
def test_options(tmp_path: Path, weights: str, options: str) -> None:
    path = saved(tmp_path, weights, options)
    assert_same(load(path), model())
    assert_same(load(tmp_path), model())


@pytest.mark.parametrize(
    "vocab",
    [
        *("vocab-2016-09-10.txt", "vocab.txt.gz", "x_vocab.txt.gz", "x-vocab.txt"),
        *("vocab-2016-09-10.txt.gz", "my_vocab.txt"),
    ],
)
def test_vocabulary(tmp_path: Path, vocab: str) -> None:
    path = saved(tmp_path, "x_weights.hdf5", "options.json", vocab, words=True)
    assert_same(load(path), model(TINY_WORDS))
    (tmp_path / vocab).rename(tmp_path.parent / vocab)
    assert_same(load(path, vocab=tmp_path.parent / vocab), model(TINY_WORDS))
    (tmp_path.parent / vocab).unlink()


def test_the_usual_name_comes_first(tmp_path: Path) -> None:
    path = saved(tmp_path, "es_weights.hdf5", "options.json")
    (tmp_path / "options262.json").write_text("{}")
    assert_same(load(path), model())
    (tmp_path / "options.json").rename(tmp_path / "options261.json")
    with pytest.raises(WeightsError, match=r"holds 2 options files: options261.json, options262"):
        load(path)


@pytest.mark.parametrize("name", ["pred.options.json", "optional.json", "options.json.bak"])
def test_names_that_only_look_like_options(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, "x.hdf5", name)
    with pytest.raises(WeightsError, match="has no options file"):
        load(path)


def test_options_of_other_weights_are_not_taken(tmp_path: Path) -> None:
    saved(tmp_path, "sl-elmo-weights.hdf5", "sl-elmo-options.json")
    (tmp_path / "other.hdf5").write_bytes((tmp_path / "sl-elmo-weights.hdf5").read_bytes())
    with pytest.raises(WeightsError, match="has no options file"):
        load(tmp_path / "other.hdf5")


@pytest.mark.parametrize("steps", [1, 2])
def test_a_link_whose_options_lie_beside_its_target(tmp_path: Path, steps: int) -> None:
    (tmp_path / "far").mkdir()
    path = saved(tmp_path / "far", "x_weights.hdf5", "options.json", "vocab.txt", words=True)
    for step in range(steps):
        (tmp_path / str(step)).mkdir()
        link = tmp_path / str(step) / "linked.hdf5"
        link.symlink_to(path if step else f"../far/{path.name}")
        path = link
    assert_same(load(path), model(TINY_WORDS))
    assert_same(load(path.parent), model(TINY_WORDS))
    # What lies beside the link goes first.
    (path.parent / "options.json").write_text("{}")
    with pytest.raises(WeightsError, match=str(path.parent / "options.json")):
        load(path)


@pytest.mark.parametrize("damage", [b"", b"x" * 50, b"cut"])
def test_a_damaged_vocabulary(tmp_path: Path, damage: bytes) -> None:
    path = saved(tmp_path, "x.hdf5", "options.json", "vocab.txt.gz", words=True)
    whole = (tmp_path / "vocab.txt.gz").read_bytes()
    (tmp_path / "vocab.txt.gz").write_bytes(whole[:-4] if damage == b"cut" else damage)
    with pytest.raises(WeightsError, match=r"vocab\.txt\.gz: (is no gzip file|has 0 lines)"):
        load(path)
