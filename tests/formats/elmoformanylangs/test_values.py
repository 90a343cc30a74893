"""Vectors of ELMoForManyLangs models: those of its own code, and of the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo import BiLM
from spacy_elmo.formats import load
from spacy_elmo.formats.elmoformanylangs import options as options_module
from tests.formats.elmoformanylangs.folder import CHARACTERS, SENTENCES, WORDS, write_folder
from tests.formats.models import assert_same
from tests.reference.many_langs import MARKS, ReferenceManyLangs, many_langs_options, rows_of

GOLDEN = 2e-6
pytestmark = pytest.mark.usefixtures("one_thread")


def both_ways(lm: BiLM, sentences: list[list[str]]) -> list[list[np.ndarray]]:
    ends = np.cumsum([len(words) for words in sentences])[:-1]
    return [lm.encode(sentences), np.split(lm.forward(sentences).detach().numpy(), ends, axis=1)]


def assert_is(lm: BiLM, elmo: ReferenceManyLangs, sentences: list[list[str]] = SENTENCES) -> None:
    for answers in both_ways(lm, sentences):
        for words, answer in zip(sentences, answers, strict=True):
            expected = elmo.layers(words)
            assert answer.shape == expected.shape
            assert np.abs(answer - expected).max(initial=0.0) <= GOLDEN


def goldens(shared: Path) -> tuple[list[list[str]], list[np.ndarray]]:
    with np.load(shared / "fixtures/elmoformanylangs/tiny_layers_fresh.npz") as file:
        sentences = json.loads(bytes(file["sentences"]))
        return sentences, [file[f"s{k}"] for k in range(len(sentences))]


def test_vectors_of_its_own_code(shared: Path) -> None:
    sentences, expected = goldens(shared)
    lm = load(shared / "fixtures/elmoformanylangs/tiny")
    assert lm.notes == ()
    for answers in both_ways(lm, sentences):
        for answer, golden in zip(answers, expected, strict=True):
            assert answer.shape == golden.shape
            assert np.abs(answer - golden).max() <= GOLDEN


def test_the_oracle_has_the_values_of_its_own_code(shared: Path) -> None:
    folder = shared / "fixtures/elmoformanylangs/tiny"
    sentences, expected = goldens(shared)
    weights = {}
    for file in ("token_embedder.pkl", "encoder.pkl"):
        for name, tensor in torch.load(folder / file, weights_only=True).items():
            weights[name] = tensor.numpy()
    words, characters = (
        {token: int(row) for token, row in map(str.split, (folder / name).open(encoding="utf8"))}
        for name in ("word.dic", "char.dic")
    )
    elmo = ReferenceManyLangs(
        weights, json.loads((folder / "cnn.json").read_text("utf8")), words, characters
    )
    for sentence, golden in zip(sentences, expected, strict=True):
        assert np.abs(elmo.layers(sentence) - golden).max() <= GOLDEN


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"char_dim": 0, "filters": ()},
        {"char_dim": 0, "filters": ((1, 3),), "n_highway": 2},  # left over, and read by nobody
        {"word_dim": 0},
        {"activation": "tanh", "n_highway": 0, "n_layers": 3},
        {"cell_clip": 0.3, "proj_clip": 0.2, "n_layers": 1},
        {"cell_clip": 0, "proj_clip": None, "max_characters": 7},
    ],
)
def test_vectors_of_the_oracle(tmp_path: Path, sizes: dict[str, Any]) -> None:
    elmo = write_folder(tmp_path / "m", **sizes)
    lm = load(tmp_path / "m")
    assert_is(lm, elmo)
    lm.save(tmp_path / "native")
    again = load(tmp_path / "native")
    assert_same(again, lm)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(lm.encode(SENTENCES), again.encode(SENTENCES), strict=True)
    )
    assert_same(_through_native_again(again, tmp_path), lm)


def _through_native_again(lm: BiLM, folder: Path) -> BiLM:
    lm.save(folder / "again")
    return load(folder / "again")


def test_deterministic_where_the_original_shuffles(tmp_path: Path) -> None:
    write_folder(tmp_path / "m")
    lm = load(tmp_path / "m")
    once = lm.encode(SENTENCES)
    back = lm.encode(SENTENCES[::-1])[::-1]
    for a, b in zip(once, back, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_odd_dictionaries(tmp_path: Path) -> None:
    """Rows that are not in order, gaps, two tokens of a row, a token twice, U+3000, odd ends of
    lines, no break at a file's end, tokens longer than a character among characters."""
    tokens = ["<oov>", "<bos>", "<eos>", "<pad>", *WORDS]
    words = {token: 2 * row + 1 for row, token in enumerate(reversed(tokens))}
    words["bank"] = words["the"]
    words["\u3000"] = 0
    characters = {token: row for row, token in enumerate([*MARKS, *CHARACTERS[:-1], "\u3000"])}
    write_folder(tmp_path / "m", words=words, characters=characters)
    ends = ["\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r"]
    for name, dictionary in (("word.dic", words), ("char.dic", characters)):
        lines = [f"the\t{max(dictionary.values())}"] if name == "word.dic" else ["xyz\t1"]
        # `strip` takes the ideographic space off, and leaves the number alone.
        lines += [f"{token}\t{row}" for token, row in dictionary.items()]
        text = "".join(line + ends[k % len(ends)] for k, line in enumerate(lines))
        (tmp_path / "m" / name).write_text(text.rstrip("\n"), "utf8", newline="")
    lm = load(tmp_path / "m")
    assert lm.vocabulary is not None
    assert lm.vocabulary[0] == "\u3000"
    elmo = write_folder(tmp_path / "same", words=words, characters=characters)
    sentences = [*SENTENCES, ["\u3000", "bank", "the", "a\u3000b", "\xa0", "xyz"]]
    assert_is(lm, elmo, sentences)
    lm.save(tmp_path / "native")
    assert_same(load(tmp_path / "native"), lm)


def test_later_lines_of_a_number_alone_win(tmp_path: Path) -> None:
    """Other spaces than U+3000 are stripped as well, and taken for it."""
    characters = {**rows_of([*MARKS, *CHARACTERS[:-1]]), "\u3000": 20, "\xa0": 19}
    elmo = write_folder(tmp_path / "m", characters=characters)
    elmo.characters = {**characters, "\u3000": 19}
    del elmo.characters["\xa0"]
    assert_is(load(tmp_path / "m"), elmo, [["\u3000", "\xa0"]])


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"config_path": "/data/their/cnn_50_100_512_4096_sample.json"}, "is missing"),
        ({"config_path": "..\\configs\\cnn_0_100_512_4096_sample.json"}, "is missing"),
        ({"config_path": "../outside.json"}, "is missing"),
        ({"config_path": "x" * 5000}, "is missing"),
        ({"config_path": "銀" * 200}, "is missing"),
        ({"seed": 1}, "names no config_path"),
        (None, "config.json is missing"),
    ],
)
def test_a_missing_description_is_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any] | None, reason: str
) -> None:
    small = many_langs_options(cell_clip=0.5, proj_clip=0.25)
    monkeypatch.setattr(options_module, "PACKAGED", small)
    elmo = write_folder(tmp_path / "m", small)
    (tmp_path / "m/cnn.json").rename(tmp_path / "outside.json")
    if config is None:
        (tmp_path / "m/config.json").unlink()
    else:
        (tmp_path / "m/config.json").write_text(json.dumps(config))
    lm = load(tmp_path / "m")
    (note,) = lm.notes
    assert reason in note
    assert "cell clip 0.5, projection clip 0.25" in note
    assert_is(lm, elmo)


def test_what_the_package_brings_along() -> None:
    """Its own published values (`configs/cnn_50_100_512_4096_sample.json`)."""
    described = {name: dict(part) for name, part in options_module.PACKAGED.items()}
    assert described.pop("encoder") == {
        "name": "elmo",
        "projection_dim": 512,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 4096,
        "n_layers": 2,
    }
    filters = [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]
    assert described.pop("token_embedder") == {
        "name": "cnn",
        "activation": "relu",
        "filters": filters,
        "n_highway": 2,
        "word_dim": 100,
        "char_dim": 50,
        "max_characters_per_token": 50,
    }
    assert not described


def test_the_description_by_its_last_name_or_by_hand(tmp_path: Path) -> None:
    elmo = write_folder(tmp_path / "m")
    config = tmp_path / "m/config.json"
    config.write_text(json.dumps({"config_path": "/somewhere/else/cnn.json"}))
    lm = load(tmp_path / "m")
    assert lm.notes == ()
    assert_is(lm, elmo)
    by_hand = (tmp_path / "m/cnn.json").rename(tmp_path / "described.json")
    lm = load(tmp_path / "m", options=by_hand)
    assert lm.notes == ()
    assert_is(lm, elmo)


def test_a_file_whose_name_ends_like_that_of_a_checkpoint(tmp_path: Path) -> None:
    elmo = write_folder(tmp_path / "m")
    (tmp_path / "m/words.index").write_bytes(b"of something else")
    assert_is(load(tmp_path / "m"), elmo)


def test_legacy_pickles_and_a_softmax_that_is_left_out(tmp_path: Path) -> None:
    """Published models are of PyTorch before 1.6."""
    elmo = write_folder(tmp_path / "m")
    for name in ("encoder.pkl", "token_embedder.pkl"):
        tensors = torch.load(tmp_path / "m" / name, weights_only=True)
        torch.save(tensors, tmp_path / "m" / name, _use_new_zipfile_serialization=False)
    (tmp_path / "m/classifier.pkl").write_bytes(b"whatever")
    lm = load(tmp_path / "m")
    assert_is(lm, elmo)
    assert lm.softmax is None
    assert any("classifier.pkl" in note for note in lm.notes)
