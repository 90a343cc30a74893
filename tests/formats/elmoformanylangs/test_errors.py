"""What is wrong with a folder of ELMoForManyLangs is said in one error that names the file."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.formats import WeightsError, load
from tests.formats.elmoformanylangs.folder import write_folder
from tests.reference.many_langs import many_langs_options

FILES = ("encoder.pkl", "token_embedder.pkl", "word.dic", "char.dic")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "m")
    return tmp_path / "m"


def error(folder: Path, name: str = "") -> str:
    with pytest.raises(WeightsError) as caught:
        load(folder)
    assert str(caught.value).startswith(str(folder / name))
    return str(caught.value)


def change_tensors(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tensors = torch.load(path, weights_only=True)
    change(tensors)
    torch.save(tensors, path)


@pytest.mark.parametrize(
    ("part", "values", "expected"),
    [
        ("encoder", {"name": "lstm"}, "'encoder.name' is 'lstm', which never worked in ELMoFor"),
        ("token_embedder", {"name": "LSTM"}, "'token_embedder.name' is 'LSTM', which never worked"),
        ("encoder", {"name": "transformer"}, "'encoder.name' is 'transformer': expected 'elmo'"),
        ("encoder", {"name": 3}, "'encoder.name' is 3"),
        ("encoder", {"gates": 3}, "unknown key 'encoder.gates'"),
        ("encoder", {"dim": "many"}, "lstm_dim is 'many'"),
        ("encoder", {"dim": 10**12}, "lstm_dim is 1000000000000"),
        ("encoder", {"n_layers": 10**6}, "n_layers is 1000000"),
        ("encoder", {"cell_clip": -1}, "cell_clip is -1"),
        ("token_embedder", {"word_dim": -1}, "word_dim is -1"),
        ("token_embedder", {"word_dim": True}, "word_dim is True"),
        ("token_embedder", {"filters": [[1]]}, "filters is [[1]]"),
        ("token_embedder", {"filters": [["a", 2]]}, "filter width is 'a'"),
        ("token_embedder", {"filters": 7}, "filters is 7"),
        ("token_embedder", {"activation": "gelu"}, "activation is 'gelu'"),
        ("token_embedder", {"max_characters_per_token": 6}, "max_characters_per_token is 6"),
        ("token_embedder", {"max_characters_per_token": 10**6}, "max_characters_per_token is"),
        ("token_embedder", {"word_dim": 0, "char_dim": 0}, "word_dim and char_dim are 0"),
        ("token_embedder", {"char_dim": "5"}, "char_dim is '5'"),
    ],
)
def test_descriptions(folder: Path, part: str, values: dict[str, Any], expected: str) -> None:
    options = many_langs_options()
    options[part].update(values)
    (folder / "cnn.json").write_text(json.dumps(options))
    assert expected in error(folder, "cnn.json")


def test_keys_that_are_missing(folder: Path) -> None:
    for part in ("encoder", "token_embedder"):
        for key in many_langs_options()[part]:
            options = many_langs_options()
            del options[part][key]
            (folder / "cnn.json").write_text(json.dumps(options))
            assert f"{part}.{key}" in error(folder, "cnn.json")
    for text in ("{", "[]", "{}", '{"encoder": 3, "token_embedder": {}}'):
        (folder / "cnn.json").write_text(text)
        error(folder, "cnn.json")
    (folder / "config.json").write_text("[]")
    error(folder, "config.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("a\t0\n\nb\t1\n", "line 2 ends in '', which is no number"),
        ("a\tb\n", "line 1 ends in 'b'"),
        ("a\t1\t2\n", "line 1 has 3 fields"),
        ("a\t-1\n", "line 1 names row -1"),
        ("a\t0\n", "lacks <"),
        (f"<oov>\t{'9' * 5000}\n", "which is no number"),
    ],
)
@pytest.mark.parametrize("name", ["word.dic", "char.dic"])
def test_dictionaries(folder: Path, name: str, text: str, expected: str) -> None:
    (folder / name).write_text(text, "utf8")
    assert expected in error(folder, name)


def test_dictionaries_of_another_model(folder: Path) -> None:
    with (folder / "word.dic").open("a", encoding="utf8") as file:
        file.write("more\t10\n")
    assert "word.dic names row 10" in error(folder, "token_embedder.pkl")
    (folder / "word.dic").write_bytes(b"\xff\t0\n")
    assert "is not UTF-8 (byte 0)" in error(folder, "word.dic")
    (folder / "word.dic").unlink()
    assert "is missing" in error(folder, "word.dic")


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    for name in FILES:
        shutil.copytree(folder, tmp_path / "copy")
        (tmp_path / "copy" / name).unlink()
        expected = "" if name == "encoder.pkl" else name  # without it, it is no such folder
        error(tmp_path / "copy", expected)
        shutil.rmtree(tmp_path / "copy")


@pytest.mark.parametrize("name", ["encoder.pkl", "token_embedder.pkl"])
def test_tensors(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    first = next(iter(torch.load(path, weights_only=True)))

    def grow(tensors: dict[str, Any]) -> None:
        tensors[first] = torch.cat([tensors[first], tensors[first]], dim=-1)

    def repeat(tensors: dict[str, Any]) -> None:
        tensors[first] = torch.zeros(1).expand(tensors[first].shape)

    for change, expected in (
        (lambda tensors: tensors.pop(first), f"tensor {first!r}: is missing, expected with shape"),
        (lambda tensors: tensors.update(more=torch.zeros(2)), "tensor 'more': is unknown (shape"),
        (lambda tensors: tensors.update(more=3), "holds int as 'more'"),
        (grow, f"tensor {first!r}: has shape"),
        (repeat, f"tensor {first!r}: has shape"),
        (lambda tensors: tensors[first].fill_(float("nan")), f"tensor {first!r}: holds NaN"),
        (
            lambda tensors: tensors.update({first: tensors[first].int()}),
            f"tensor {first!r}: holds int32 values",
        ),
    ):
        path.write_bytes(whole)
        change_tensors(path, change)
        assert expected in error(folder, name)
    torch.save([torch.zeros(2)], path)
    assert "holds a list, expected tensors by name" in error(folder, name)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch PWNED",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_no_pickle_runs_code(folder: Path, protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for save in (
        lambda path: path.write_bytes(pickle.dumps(Evil(), protocol)),
        lambda path: torch.save({"a": Evil()}, path),
        lambda path: torch.save({"a": Evil()}, path, _use_new_zipfile_serialization=False),
    ):
        save(folder / "encoder.pkl")
        error(folder, "encoder.pkl")
    assert not (folder / "PWNED").exists()


def test_bombs(folder: Path) -> None:
    path = folder / "encoder.pkl"
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data if "data/" not in name else b"\0" * 10**7)
    assert "has a compressed part" in error(folder, "encoder.pkl")
    with warnings.catch_warnings(), ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile's own, of the name that comes twice
        for name, data in [*members.items(), *members.items()]:
            archive.writestr(name, data)
    assert "has two parts of one name" in error(folder, "encoder.pkl")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), name=st.sampled_from(FILES), legacy=st.booleans())
def test_damaged_anywhere(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str, legacy: bool
) -> None:
    """One error that names the file; or numbers that are as good as any, where a file has no
    checksums: a dictionary, a pickle of PyTorch before 1.6."""
    folder = tmp_path_factory.mktemp("damaged") / "m"
    write_folder(folder)
    path = folder / name
    if legacy and name.endswith(".pkl"):
        tensors = torch.load(path, weights_only=True)
        torch.save(tensors, path, _use_new_zipfile_serialization=False)
    before = load(folder).encode([["the", "bank"]])
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        after = load(folder).encode([["the", "bank"]])
    except WeightsError as caught:
        assert str(folder) in str(caught)  # noqa: PT017
        return
    if name.endswith(".pkl") and not legacy:  # bytes between the members of an archive
        assert np.array_equal(after[0], before[0])
    assert np.isfinite(after[0]).all()
