"""`download`: names, addresses and options; what it says. How files travel: tests/catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_elmo import BiLM
from spacy_elmo.catalogue import models, unreadable
from spacy_elmo.cli.app import app
from tests.catalogue.server import Site, serving, without_proxies
from tests.formats.models import assert_same
from tests.tiny import tiny_lm

WEIGHTS, OPTIONS = "tiny_weights.hdf5", "tiny_options.json"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("SPACY_ELMO_HOME", str(tmp_path / "home"))
    without_proxies(monkeypatch)
    (tmp_path / "files").mkdir()
    tiny_lm().save(tmp_path / "files" / WEIGHTS)
    files = {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}
    with serving(Site(files=files)) as site:
        yield site


def run(command: str, *args: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, [command, *map(str, args)])
    assert result.exit_code == status, result.output
    return result.output


def test_addresses(site: Site, tmp_path: Path) -> None:
    digest = hashlib.sha256(site.files[WEIGHTS]).hexdigest()
    urls = site.url(WEIGHTS), site.url(OPTIONS)
    text = run("download", *urls, "--sha256", digest.upper())
    assert f"{WEIGHTS}: {len(site.files[WEIGHTS]):,} bytes, sha256 {digest}" in text
    assert "Load it as weights = 'tiny'" in text
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())
    run("download", *urls, "--to", tmp_path / "folder")
    assert_same(BiLM.from_pretrained(tmp_path / "folder"), tiny_lm())
    run("download", *urls, "--name", "other", "--force")
    assert_same(BiLM.from_pretrained("other"), tiny_lm())
    text = run("info", "other")
    assert f"Card: {tmp_path / 'home/models/other/README.md'}" in text
    assert "Licence" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the name of a published model"),
        (["no_such_model"], "no_such_model: is no name of the catalogue"),
        (["ja_elmo_tohoku"], "cannot be read: its characters"),
        (["pt_elmo", "pt_elmo_wikipedia"], "one name at a time"),
        (["pt_elmo", "--list"], "download none"),
        (["pt_elmo", "--name", "en_elmo_sm"], "'en_elmo_sm' is the name of another model"),
        (["pt_elmo", "--name", "en_elmo_original"], "is the name of another model"),
        (["pt_elmo", "--name", "../x"], "is no name for a model"),
        (["http://127.0.0.1:9/x.hdf5", "--name", "pt_elmo"], "is the name of another model"),
        (["http://127.0.0.1:9/", "--name", "x"], "the file name '' is none"),
        (["ftp://127.0.0.1/x.hdf5"], "no address that starts with http or https"),
        (
            ["http://x/a/W.hdf5", "http://x/b/w.hdf5"],
            "two of the URLs are of a file named 'w.hdf5'",
        ),
        (["http://x/a.hdf5", "http://x/Download.json"], "named 'Download.json' has no place"),
        (["http://x/readme.md"], "named 'readme.md' has no place"),
        (["pt_elmo", "--sha256", "00"], "64 hexadecimal digits"),
        (["pt_elmo", *["--sha256", "0" * 64] * 3], "3 times --sha256 for 2 files"),
    ],
)
def test_mistakes(site: Site, tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in run("download", *arguments, status=1)
    assert not (tmp_path / "home").exists()


def test_the_list(site: Site) -> None:
    lines = run("download", "--list").splitlines()
    assert {line.split()[0] for line in lines if not line.startswith("Not")} == set(models())
    assert sum(line.startswith("Not readable: ") for line in lines) == len(unreadable())
    norwegian = run("download", "--lang", "nb").splitlines()
    assert {line.split()[0] for line in norwegian} == {
        name for name, entry in models().items() if entry.lang in ("no", "nb", "nn")
    }
    (lemmas,) = (line for line in norwegian if "nlpl_210" in line)
    assert "lemmas" in lemmas
    assert "No model of the catalogue is known to be for 'tlh'" in run("download", "--lang", "tlh")


def test_info_of_a_model_that_is_not_here(site: Site, tmp_path: Path) -> None:
    text = run("info", "nlpl_196_ruwikiruscorpora_lemmas_elmo_1024_2019")
    assert "CC BY 4.0" in text
    assert 'lemmas (UDPipe); feed lemmas: token_attr = "LEMMA"' in text
    assert "spacy elmo download nlpl_196_ruwikiruscorpora_lemmas_elmo_1024_2019" in text
    assert "196.zip from http://vectors.nlpl.eu/repository/11/196.zip" in text
