"""Models on this machine: found by name, also when somebody put them there; without a network."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from typer.testing import CliRunner

from spacy_elmo import BiLM, WeightsError
from spacy_elmo.catalogue import cache, downloaded, models, options_of_url
from spacy_elmo.cli.app import app
from spacy_elmo.formats.loading import resolve
from spacy_elmo.home import home as home_folder
from tests.catalogue.conftest import MakeCatalogue
from tests.catalogue.server import Site
from tests.formats.archives.make import member, tar_of
from tests.formats.models import assert_same
from tests.test_architecture import ROOT, libraries
from tests.tiny import tiny_lm

WEIGHTS, OPTIONS = "tiny_weights.hdf5", "tiny_options.json"


@pytest.fixture
def by_hand(home: Path, published: str, model_files: dict[str, bytes]) -> Path:
    """The model's folder, its files put there by hand."""
    folder = home / "models" / published
    folder.mkdir(parents=True)
    for name, content in model_files.items():
        (folder / name).write_bytes(content)
    return folder


# The folder


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "~/.cache/spacy-elmo"),
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/spacy-elmo"),
        ("darwin", {"XDG_CACHE_HOME": "/caches"}, "~/Library/Caches/spacy-elmo"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/spacy-elmo"),
        ("win32", {}, "~/AppData/Local/spacy-elmo"),
        ("linux", {"SPACY_ELMO_HOME": "~/elmo"}, "~/elmo"),
        ("linux", {"SPACY_ELMO_HOME": "/elmo", "XDG_CACHE_HOME": "/caches"}, "/elmo"),
    ],
)
def test_where_the_cache_folder_is(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    for name in ("SPACY_ELMO_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert home_folder() == Path(expected).expanduser()


# Files that were put there by hand


def test_files_put_there_by_hand(by_hand: Path, published: str) -> None:
    lm = BiLM.from_pretrained(published)
    assert (lm.config.lang, lm.config.tokenisation) == ("no", "lemmas")
    assert resolve(published) == by_hand / WEIGHTS
    assert BiLM.from_pretrained(by_hand / WEIGHTS).config == lm.config
    for name in (WEIGHTS, OPTIONS):
        (by_hand / name).rename(by_hand / "elsewhere")
        with pytest.raises(WeightsError, match=rf"{name}: is missing.*Put it there \(from http"):
            BiLM.from_pretrained(published)
        (by_hand / "elsewhere").rename(by_hand / name)


def test_a_file_that_was_cut(
    by_hand: Path, published: str, make_catalogue: MakeCatalogue, model_files: dict[str, bytes]
) -> None:
    size = len(model_files[WEIGHTS])
    files = [{"name": WEIGHTS, "role": "weights", "url": "http://x/x", "bytes": size}]
    make_catalogue({published: {"files": files}})
    BiLM.from_pretrained(published)
    (by_hand / WEIGHTS).write_bytes(model_files[WEIGHTS][:-7])
    with pytest.raises(WeightsError, match=rf"has {size - 7:,} bytes, expected {size:,}.*--force"):
        BiLM.from_pretrained(published)


def test_the_files_tell_which_is_what(
    by_hand: Path, published: str, make_catalogue: MakeCatalogue
) -> None:
    """Names that say nothing, and an options file of another model beside it."""
    (by_hand / WEIGHTS).rename(by_hand / "a.hdf5")
    (by_hand / OPTIONS).rename(by_hand / "settings-262.json")
    (by_hand / "options.json").write_text("{}")
    files = [
        {"name": "a.hdf5", "role": "weights", "url": "http://x/a"},
        {"name": "settings-262.json", "role": "options", "url": "http://x/b"},
    ]
    make_catalogue({published: {"files": files}})
    assert_same(BiLM.from_pretrained(published), tiny_lm())
    assert_same(BiLM.from_pretrained(published, options=by_hand / "settings-262.json"), tiny_lm())
    with pytest.raises(WeightsError, match=r"options\.json"):
        BiLM.from_pretrained(published, options=by_hand / "options.json")


def test_options_of_an_address_come_from_the_file_that_was_downloaded(
    by_hand: Path, published: str
) -> None:
    address = models()[published].files[1].url
    assert address is not None
    assert options_of_url(address) == json.loads((by_hand / OPTIONS).read_text("utf8"))
    shutil.rmtree(by_hand)
    assert options_of_url(address) is None, "the catalogue does not say"


def test_a_path_comes_before_a_name(
    by_hand: Path, published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert resolve(published) == by_hand / WEIGHTS
    tiny_lm(seed=1).save(tmp_path / "work" / published)
    assert_same(BiLM.from_pretrained(published), tiny_lm(seed=1))


def test_licence_and_source_travel_with_a_pipeline(
    by_hand: Path, published: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["download", published])
    assert result.exit_code == 0, result.output
    nlp = spacy.blank("nb")
    nlp.add_pipe("elmo", config={"model": {"weights": published}, "token_attr": "LEMMA"})
    nlp.to_disk(tmp_path / "saved")
    saved = tmp_path / "saved/elmo/model"
    assert "Licence: CC0" in (saved / "README.md").read_text("utf8")
    assert BiLM.from_pretrained(saved).config.lang == "no"
    assert CliRunner().invoke(app, ["convert", published, str(tmp_path / "x")]).exit_code == 0
    assert "Licence: CC0" in (tmp_path / "x/README.md").read_text("utf8")


@pytest.mark.parametrize("card", [None, "Trained on naught."])
def test_licence_and_card_of_a_downloaded_archive(
    site: Site,
    make_catalogue: MakeCatalogue,
    model_files: dict[str, bytes],
    tmp_path: Path,
    card: str | None,
) -> None:
    """They are what the catalogue said, also after the archive was unpacked."""
    members = dict(model_files)
    if card is not None:
        members |= {"README.md": card.encode(), "LICENSE": b"CC BY-SA 4.0"}
    archive = tar_of(tmp_path / "x.tar.gz", (member(*each) for each in members.items()))
    site.files["x.tar.gz"] = archive.read_bytes()
    files = [{"name": "x.tar.gz", "role": "weights", "url": site.url("x.tar.gz")}]
    make_catalogue(
        {"packed": {"files": files, "format": "hdf5-tar", "licence": "CC BY-NC 4.0", "lang": "no"}}
    )

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    run("download", "packed")
    told = run("info", "packed", "--card")
    licences = ["CC BY-NC 4.0"] if card is None else ["CC BY-SA 4.0", "CC BY-NC 4.0"]
    (row,) = (line.split(maxsplit=1) for line in told.splitlines() if line.startswith("Licences"))
    assert set(row[1].strip().split(", ")) == set(licences)
    assert (card or "Licence: CC BY-NC 4.0") in told
    of_download = "README.md" if card is None else "README.download.md"
    nlp = spacy.blank("nb")
    nlp.add_pipe("elmo", config={"model": {"weights": "packed"}})
    nlp.initialize()
    nlp.to_disk(tmp_path / "saved")
    meta = json.loads((tmp_path / "saved/meta.json").read_text("utf8"))
    assert meta["license"] == ("cc-by-nc-4.0" if card is None else "other")
    assert "CC BY-NC 4.0" in meta["sources"][0]["license"]
    run("convert", "packed", str(tmp_path / "native"))
    for folder in (tmp_path / "native", tmp_path / "saved/elmo/model"):
        assert "Licence: CC BY-NC 4.0" in (folder / of_download).read_text("utf8")
        if card is not None:
            assert (folder / "README.md").read_text("utf8") == card
            assert (folder / "LICENSE").read_text("utf8") == "CC BY-SA 4.0"
    assert "CC BY-NC 4.0" in run("info", str(tmp_path / "saved"))


# Damaged and strange


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version is 2, expected 1"),
        ({"files": [{"name": "../../x", "role": "weights"}]}, "file name"),
        ({"files": [{"colour": "blue"}]}, "no record of a download"),
        ({"files": 3}, "no record of a download"),
        ({"files": [{"name": WEIGHTS, "role": "weights", "bytes": "12"}]}, "bytes is '12'"),
        ({"files": [{"name": WEIGHTS, "role": "weights", "bytes": True}]}, "bytes is True"),
        ({"files": [{"name": WEIGHTS, "role": "weights", "bytes": -1}]}, "no -1 bytes"),
        ({"files": [{"name": 3, "role": "weights"}]}, "name is 3"),
        ({"files": [{"name": "x", "role": "weights", "hashes": ["md5"]}]}, "hashes is"),
        ({"files": [{"name": "x", "role": "weights", "hashes": {"md5": 3}}]}, "3 is no md5"),
        ({"lang": "english"}, "lang is 'english'"),
        ({"lang": ["en"]}, "is no text"),
        ({"tokenisation": "bytes"}, "tokenisation is 'bytes'"),
        ({"name": None}, "is no text"),
    ],
)
def test_a_damaged_record(
    by_hand: Path, published: str, changes: dict[str, Any], message: str
) -> None:
    good = {"format": "spacy-elmo.download", "version": 1, "name": published, "files": []}
    record = by_hand / "download.json"
    record.write_text(json.dumps({**good, **changes}))
    with pytest.raises(WeightsError, match=message) as caught:
        BiLM.from_pretrained(published)
    assert str(record) in str(caught.value)
    assert "--force" in str(caught.value)
    record.write_text("{")
    with pytest.raises(WeightsError, match="not valid JSON"):
        BiLM.from_pretrained(published)


@pytest.mark.parametrize("content", ['{"format": "x"}', "{}"])
def test_a_file_of_that_name_that_is_no_record(
    by_hand: Path, published: str, tmp_path: Path, content: str
) -> None:
    (by_hand / "download.json").write_text(content)
    assert BiLM.from_pretrained(published).config.lang == "no"
    tiny_lm().save(tmp_path / "x" / WEIGHTS)
    (tmp_path / "x/download.json").write_text(content)
    assert_same(BiLM.from_pretrained(tmp_path / "x" / WEIGHTS), tiny_lm())
    assert_same(BiLM.from_pretrained(tmp_path / "x"), tiny_lm())
    result = CliRunner().invoke(app, ["download", published])
    assert result.exit_code == 1
    assert "a folder of other things" in " ".join(result.output.split())
    assert (by_hand / "download.json").read_text() == content


def test_options_of_an_address_beside_a_damaged_download(
    by_hand: Path, published: str, site: Site, make_catalogue: MakeCatalogue
) -> None:
    known = json.loads((by_hand / OPTIONS).read_text("utf8"))
    url = site.url(OPTIONS)
    files = [
        {"name": WEIGHTS, "role": "weights", "url": site.url(WEIGHTS)},
        {"name": OPTIONS, "role": "options", "url": url},
    ]
    make_catalogue({published: {"files": files, "options": known}, "other": {"files": files}})
    (by_hand / "download.json").write_text("{")
    assert options_of_url(url) == known, "the catalogue says"
    other = by_hand.with_name("other")
    shutil.copytree(by_hand, other, ignore=shutil.ignore_patterns("download.json"))
    (other / OPTIONS).write_text('{"lstm": "of the other download"}')
    assert options_of_url(url) == {"lstm": "of the other download"}


def test_a_folder_of_an_unknown_name(home: Path) -> None:
    (home / "models" / "mine").mkdir(parents=True)
    with pytest.raises(WeightsError, match=r"has no download\.json, and 'mine' is no name of the"):
        BiLM.from_pretrained("mine")


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "a/b", "a\0b", "x" * 300, ".tiny.part"])
def test_names_that_leave_the_folder(home: Path, name: str) -> None:
    (home / "models").mkdir(parents=True)
    (home / "models/.tiny.part").mkdir()
    assert not cache.is_name(name)
    assert downloaded(name) is None


# Without a network


def test_a_model_that_is_not_here(home: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        BiLM.from_pretrained("pt_elmo_wikipedia")
    lines = str(caught.value).splitlines()
    assert lines[1].strip() == "spacy elmo download pt_elmo_wikipedia"
    assert str(home / "models" / "pt_elmo_wikipedia") in lines[2]
    assert [line.split()[0] for line in lines[3:]] == ["elmo_pt_weights.hdf5", "options.json"]
    assert all("https://" in line for line in lines[3:])
    with pytest.raises(WeightsError, match=r"gluonnlp_elmo_MXNet: cannot be read: the parameters"):
        BiLM.from_pretrained("gluonnlp_elmo_MXNet")
    with pytest.raises(WeightsError, match="Did you mean pt_elmo_wikipedia"):
        BiLM.from_pretrained("pt_elmo_wikipedi")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a connection or an address fails."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something wants to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_nothing_else_touches_the_network(
    no_network: None, by_hand: Path, published: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):  # the fixture works
        socket.create_connection(("127.0.0.1", 9))
    nlp = spacy.blank("nb")
    nlp.add_pipe("elmo", config={"model": {"weights": published}, "token_attr": "LOWER"})
    nlp.initialize()
    assert nlp("Hei du")._.elmo_vectors.any()
    nlp.to_disk(tmp_path / "saved")
    assert spacy.load(tmp_path / "saved")("Hei")._.elmo_vectors.any()
    absent = spacy.blank("nb")
    absent.add_pipe("elmo", config={"model": {"weights": "absent"}})
    with pytest.raises(WeightsError):
        absent("Hei")
    for arguments, status in (
        (["info"], 0),
        (["info", published], 0),
        (["info", "absent"], 1),
        (["convert", published, str(tmp_path / "converted")], 0),
        (["download", "--list"], 0),
        (["download", "absent"], 1),
        (["download", published], 0),  # it is here
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output


def test_one_module_opens_connections() -> None:
    """`folder_lock` asks for the name of this machine, `distributed` is PyTorch's."""
    reach: Callable[[set[str]], set[str]] = {"requests", "urllib3", "http", "socket"}.intersection
    assert {name for name, found in libraries(ROOT).items() if reach(found)} == {
        "catalogue.transfer",
        "pretraining.run.folder_lock",
    }
    names = {path.name for path in ROOT.rglob("*.py") if "urllib.request" in path.read_text("utf8")}
    assert names == set()
