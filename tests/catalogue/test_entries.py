"""The catalogue's data: its form, its number, and that it says what the reference says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo import BiLMConfig, CharCNNConfig
from spacy_elmo.catalogue import entries, entry_of_url, find, models, options_of_url, unreadable
from spacy_elmo.catalogue.cache import is_name
from spacy_elmo.catalogue.entries import DATA, Entry, File, check_hash
from spacy_elmo.errors import DownloadError, ElmoError
from spacy_elmo.formats.blocks import Stored
from spacy_elmo.formats.hdf5.options import read_config

# Published models that are known, readable or not.
N_PUBLISHED = 102
S3 = "https://s3-us-west-2.amazonaws.com/allennlp/models/elmo"
ORIGINAL = f"{S3}/2x4096_512_2048cnn_2xhighway/elmo_2x4096_512_2048cnn_2xhighway"


def test_every_published_model_is_readable_or_has_a_reason() -> None:
    originals = [entry for entry in models().values() if entry.variant_of is None]
    assert len(originals) + len(unreadable()) == N_PUBLISHED
    assert not set(models()) & set(unreadable())
    assert all(len(known.reason) > 20 for known in unreadable().values())


@pytest.fixture
def reference(shared: Path) -> dict[str, dict[str, Any]]:
    """The entries of the reference by our names."""
    values = json.loads((shared / "reference/published-models.json").read_text("utf8"))
    return {
        re.sub(r"[^A-Za-z0-9._-]+", "_", entry["name"]).strip("_"): entry
        for entry in values["entries"]
    }


def test_it_has_the_models_of_the_reference(reference: dict[str, dict[str, Any]]) -> None:
    assert len(reference) == N_PUBLISHED
    ours = {name for name, entry in models().items() if entry.variant_of is None}
    assert ours | set(unreadable()) == set(reference)


def test_it_says_what_the_reference_says(reference: dict[str, dict[str, Any]]) -> None:
    every = json.dumps(list(reference.values()))
    for name, entry in models().items():
        theirs = reference[entry.variant_of or name]
        if entry.lang is not None:
            assert theirs["language"].split()[0] == entry.lang, name
        for file in entry.files:
            address = file.url or ""
            if "huggingface.co" in address:
                address = address.partition("/resolve/")[0]
            assert address in every, address
            for digest in (file.hashes or {}).values():
                assert digest in every
            assert file.bytes is None or str(file.bytes) in every
        lemmas = "lemma" in str(theirs.get("tokenisation"))
        assert (entry.tokenisation == "lemmas") == lemmas, name


@pytest.mark.parametrize("name", sorted(models()))
def test_names_and_files(name: str) -> None:
    entry = models()[name]
    assert entry.name == name
    assert is_name(name)
    assert entry.licence
    assert entry.source
    assert entry.variant_of is None or entry.variant_of in models()
    roles = {file.role for file in entry.files}
    if entry.format == "hdf5":
        assert {"weights", "options"} <= roles
    assert ("weights" in roles) != ("part" in roles)


def test_the_known_options_are_those_of_the_paper(tmp_path: Path) -> None:
    found = {}
    for name, entry in models().items():
        if entry.options is None:
            continue
        path = tmp_path / "options.json"
        path.write_text(json.dumps(entry.options))
        # A network of these sizes has such names; their shapes are checked where it is read.
        cnn, lstm = entry.options["char_cnn"], entry.options["lstm"]
        shapes: dict[str, tuple[int, ...]] = {
            "char_embed": (261, cnn["embedding"]["dim"]),
            "CNN_proj/W_proj": (2048, lstm["projection_dim"]),
        }
        for direction in (0, 1):
            for layer in (0, 1):
                cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
                for tensor in ("W_0", "B", "W_P_0"):
                    shapes[f"{cell}/{tensor}"] = (1, 1)
        stored = {key: Stored(shape, "float32", lambda a, b: None) for key, shape in shapes.items()}
        found[name], _ = read_config(path, tmp_path / "x.hdf5", stored, "zero")
    full = BiLMConfig()  # the original model
    assert found == {
        "en_elmo_original": full,
        "en_elmo_original_5.5B": full,
        "en_elmo_original_medium": replace(
            full, lstm_dim=2048, projection_dim=256, char_cnn=CharCNNConfig(n_highway=1)
        ),
        "en_elmo_original_small": replace(
            full, lstm_dim=1024, projection_dim=128, char_cnn=CharCNNConfig(n_highway=1)
        ),
    }


# Look-up


@pytest.mark.parametrize(
    "url",
    [
        f"{ORIGINAL}_options.json",
        f"{ORIGINAL}_weights.hdf5",
        f"{ORIGINAL}_options.json".replace("https", "http"),
        f"{ORIGINAL}_options.json".replace(
            "s3-us-west-2.amazonaws.com/allennlp", "allennlp.s3.amazonaws.com"
        ),
        f"{ORIGINAL}_options.json".replace(
            "s3-us-west-2.amazonaws.com/allennlp", "allennlp.s3-us-west-2.amazonaws.com"
        ),
    ],
)
def test_by_address(url: str) -> None:
    entry = entry_of_url(url)
    assert entry is not None
    assert entry.name == "en_elmo_original"
    options = options_of_url(url)
    assert options is not None
    assert options["lstm"]["dim"] == 4096


@pytest.mark.parametrize(
    "url",
    ["", "x", "https://example.org/x_options.json", "s3://allennlp", "http://s3.amazonaws.com/"],
)
def test_an_unknown_address(url: str) -> None:
    assert entry_of_url(url) is None
    assert options_of_url(url) is None


def test_names_that_are_not_there() -> None:
    assert find("pt_elmo").lang == "pt"
    with pytest.raises(DownloadError, match=r"no name of the catalogue.*Did you mean.*pt_elmo"):
        find("pt_elmoo")
    with pytest.raises(DownloadError, match=r"ja_elmo_tohoku: cannot be read: its characters"):
        find("ja_elmo_tohoku")


# Bad data


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"name": "../x", "role": "weights"}, "file name"),
        ({"name": "a\\b", "role": "weights"}, "file name"),
        ({"name": ".hidden", "role": "weights"}, "file name"),
        ({"name": "", "role": "weights"}, "file name"),
        ({"name": "x", "role": "card"}, "role is 'card'"),
        ({"name": "x", "role": "weights", "url": "file:///etc/passwd"}, "http or https"),
        ({"name": "x", "role": "weights", "hashes": {"crc": "0"}}, "no hash that is known"),
        ({"name": "x", "role": "weights", "hashes": {"md5": "0g" * 16}}, "32 hexadecimal"),
    ],
)
def test_impossible_files(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        File(**bad)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"format": "gguf"}, "format is 'gguf'"),
        ({"files": ()}, "no files"),
        (
            {"files": (File("a", "weights", "http://x/a"), File("b", "weights", "http://x/b"))},
            "sev",
        ),
        ({"files": (File("a", "part", "http://x/a"), File("A", "part", "http://x/b"))}, "one name"),
        ({"files": (File("a", "weights"),)}, "no page"),
        ({"lang": "english"}, "lang is 'english'"),
        ({"tokenisation": "bytes"}, "tokenisation is 'bytes'"),
    ],
)
def test_impossible_entries(bad: dict[str, Any], message: str) -> None:
    good = {"name": "x", "format": "hdf5", "licence": "CC0", "source": "x"}
    files = (File("a", "weights", "http://x/a"),)
    with pytest.raises(ValueError, match=message):
        Entry(**{**good, "files": files, **bad})


def test_a_damaged_catalogue_names_the_entry(tmp_path: Path) -> None:
    values = json.loads(DATA.read_text("utf8"))
    values["models"]["pt_elmo"]["colour"] = "blue"
    path = tmp_path / "models.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ElmoError, match="pt_elmo: unknown key 'colour'"):
        entries.read_catalogue(path)
    path = tmp_path / "other.json"
    path.write_text("{}")
    with pytest.raises(ElmoError, match="is no catalogue of version 1"):
        entries.read_catalogue(path)


def test_hashes() -> None:
    assert check_hash("sha256", " " + "AB" * 32) == "ab" * 32
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        check_hash("sha256", "ab")
