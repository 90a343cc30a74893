"""Downloads from a server on this machine: what arrives is what was meant, or nothing is left."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from spacy_elmo import BiLM, DownloadError, WeightsError
from spacy_elmo.catalogue import downloaded, find, transfer
from spacy_elmo.catalogue.cache import Fetched, folder_of
from spacy_elmo.catalogue.download import download
from spacy_elmo.catalogue.entries import File
from spacy_elmo.catalogue.record import RECORD, facts_of
from spacy_elmo.catalogue.transfer import BrokenOff
from spacy_elmo.locks import lock, unlock
from tests.catalogue.conftest import MakeCatalogue
from tests.catalogue.server import Site
from tests.formats.models import assert_same
from tests.tiny import tiny_lm

WEIGHTS, OPTIONS = "tiny_weights.hdf5", "tiny_options.json"


class Told:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int | None, int]] = []
        self.lines: list[str] = []
        self.size = 0

    def begin(self, name: str, total: int | None, done: int) -> None:
        self.begun.append((name, total, done))

    def advance(self, size: int) -> None:
        self.size += size

    def say(self, line: str) -> None:
        self.lines.append(line)


def get(
    site: Site,
    name: str = "tiny",
    *,
    files: Sequence[File] | None = None,
    to: Path | None = None,
    told: Told | None = None,
    force: bool = False,
    sha256: dict[str, str] | None = None,
) -> Fetched:
    """Download the model of the site."""
    if files is None:
        files = [
            File(WEIGHTS, "weights", site.url(WEIGHTS)),
            File(OPTIONS, "options", site.url(OPTIONS)),
        ]
    folder = folder_of(name) if to is None else to
    progress = Told() if told is None else told
    return download(name, files, {}, folder, progress=progress, force=force, sha256=sha256)


def left(home: Path) -> list[str]:
    """Everything in the cache folder."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# What goes well


def test_a_model_by_its_name(site: Site, published: str, home: Path) -> None:
    entry, told = find(published), Told()
    found = download(published, entry.files, facts_of(entry), folder_of(published), progress=told)
    assert left(home) == [
        f"models/{published}/{name}" for name in ("README.md", RECORD, OPTIONS, WEIGHTS)
    ]
    assert [file.hashes for file in found.files] == [
        {"sha256": sha256(site.files[name])} for name in (WEIGHTS, OPTIONS)
    ]
    assert [name for name, _, _ in told.begun] == [OPTIONS, WEIGHTS], "small ones first"
    assert told.size == sum(map(len, site.files.values()))
    lm = BiLM.from_pretrained(published)
    assert (lm.config.lang, lm.config.tokenisation) == ("no", "lemmas")
    lm.config = replace(lm.config, lang=None, tokenisation=None)
    assert_same(lm, tiny_lm())
    assert downloaded(published) == found
    card = (folder_of(published) / "README.md").read_text("utf8")
    assert "Licence: CC0" in card
    assert sha256(site.files[WEIGHTS]) in card


def test_what_is_there_is_checked_and_not_fetched_again(site: Site) -> None:
    first = get(site)
    n_requests = len(site.requests)
    assert get(site) == first
    assert len(site.requests) == n_requests
    path = first.folder / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DownloadError, match=r"has the sha256 .*, expected"):
        get(site)
    get(site, force=True)
    assert path.read_bytes() == site.files[WEIGHTS]


def test_to_a_folder(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(site, to=tmp_path / "mine")
    assert_same(BiLM.from_pretrained(tmp_path / "mine"), tiny_lm())
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    get(site, to=Path())
    assert_same(BiLM.from_pretrained(here), tiny_lm())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "mine"]


def test_a_folder_of_other_things_is_not_replaced(site: Site, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    for force in (False, True):
        with pytest.raises(DownloadError, match="other things, so it is not replaced"):
            get(site, to=tmp_path / "mine", force=force)
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="is no folder"):
        get(site, to=tmp_path / "file")
    assert site.requests == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]


def test_a_redirect(site: Site) -> None:
    site.files["moved"] = site.files[WEIGHTS]
    site.redirects[WEIGHTS] = site.url("moved")
    get(site)
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())
    site.redirects[WEIGHTS] = site.url(WEIGHTS)
    with pytest.raises(DownloadError, match="redirects"):
        get(site, "circle")


def test_a_compressed_file_stays_as_it_is(site: Site) -> None:
    """Some servers say of a .tar.gz that it is a .tar on its way."""
    site.files["x.tar.gz"] = b"\x1f\x8b" + bytes(2000)
    file = File("x.tar.gz", "weights", site.url("x.tar.gz"))
    get(site, files=[file])
    assert (folder_of("tiny") / "x.tar.gz").read_bytes() == site.files["x.tar.gz"]


def test_an_unknown_length(site: Site) -> None:
    site.lengths = False
    get(site)
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())


# Connections that break


def test_a_cut_connection_is_taken_up_again(site: Site) -> None:
    size, told = len(site.files[WEIGHTS]), Told()
    site.cuts[WEIGHTS] = [5000, 3000, 0]
    get(site, told=told)
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())
    ranges = [wanted for path, wanted in site.requests if path == WEIGHTS]
    assert ranges == ["", "bytes=5000-", "bytes=8000-", "bytes=8000-"]
    assert told.begun[1:] == [(WEIGHTS, size, place) for place in (0, 5000, 8000, 8000)]
    assert told.size == sum(map(len, site.files.values())), "nothing was fetched twice"


def test_a_broken_off_download_is_gone_on_with_by_the_same_command(site: Site, home: Path) -> None:
    site.cuts[WEIGHTS] = [5000, *[0] * 9]
    with pytest.raises(BrokenOff, match=r"5,000 bytes are kept, and the same command goes on"):
        get(site)
    with pytest.raises(WeightsError, match="no weights at 'tiny'"):
        BiLM.from_pretrained("tiny")
    kept = home / "models" / ".tiny.part"
    assert (kept / f"{WEIGHTS}.part").stat().st_size == 5000
    site.cuts.clear()
    site.requests.clear()
    get(site)
    assert site.requests == [(WEIGHTS, "bytes=5000-")], "the options were there already"
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())
    assert not kept.exists()


def test_a_server_that_cannot_begin_in_the_middle(site: Site) -> None:
    site.ranges = False
    site.cuts[WEIGHTS] = [5000]
    get(site)
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())


def test_without_a_version_only_a_known_hash_allows_to_go_on(site: Site) -> None:
    site.etags = False
    site.cuts[WEIGHTS] = [5000]
    get(site)
    assert [wanted for path, wanted in site.requests if path == WEIGHTS] == ["", ""]
    site.requests.clear()
    site.cuts[WEIGHTS] = [5000]
    get(site, "known", sha256={WEIGHTS: sha256(site.files[WEIGHTS])})
    assert [wanted for path, wanted in site.requests if path == WEIGHTS] == ["", "bytes=5000-"]
    for name in ("tiny", "known"):
        assert_same(BiLM.from_pretrained(name), tiny_lm())


def test_a_file_that_changes_meanwhile_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    tiny_lm(seed=1).save(tmp_path / WEIGHTS)
    site.cuts[WEIGHTS] = [5000]
    site.on_piece = lambda: site.files.update({WEIGHTS: (tmp_path / WEIGHTS).read_bytes()})
    get(site)
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm(seed=1))


def test_a_busy_server_is_asked_again(site: Site) -> None:
    site.status[WEIGHTS] = 503
    tries = []

    def recover() -> None:
        tries.append(1)
        site.status.clear()

    site.on_piece = recover  # the options come first
    get(site)
    assert tries
    site.status[WEIGHTS] = 503
    site.on_piece = lambda: None
    with pytest.raises(BrokenOff, match="the server answered 503"):
        get(site, "busy")


def test_no_network(site: Site, home: Path) -> None:
    with socket.socket() as free:  # a port where nobody listens
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(BrokenOff, match=r"no connection .* Check the network and proxies"):
        get(site, files=[File(WEIGHTS, "weights", f"{address}/x")])
    with pytest.raises(BrokenOff, match="no connection"):
        get(site, files=[File(WEIGHTS, "weights", "http://no.such.host.invalid/x")])
    assert left(home) == []


# What is not the file


def test_a_page_that_is_not_there(site: Site, home: Path) -> None:
    del site.files[WEIGHTS]
    with pytest.raises(DownloadError, match=r"the server answered 404 .* It may have moved"):
        get(site)
    assert left(home) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>" + bytes(3000), "is an HTML page"),
        (b"\xef\xbb\xbf \n<HTML><body>moved", "is an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "an XML document.*AccessDenied"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        (b'{"message": "Not Found"}', r"does not begin as a \.hdf5 file does"),
        (b"PK\x03\x04" + bytes(1000), r"does not begin as a \.hdf5 file does"),
        (b"", r"does not begin as a \.hdf5 file does"),
    ],
)
def test_something_else_in_its_place(site: Site, home: Path, content: bytes, message: str) -> None:
    site.files[WEIGHTS] = content
    with pytest.raises(DownloadError, match=message):
        get(site)
    assert left(home) == []


def test_options_that_are_none(site: Site, home: Path) -> None:
    for content, message in (
        (b'{"message": "Not Found"}', "no options file: it has no key 'lstm', only"),
        (b"[1, 2]", "holds a list"),
        (b"{", "not valid JSON"),
    ):
        site.files[OPTIONS] = content
        with pytest.raises(DownloadError, match=message):
            get(site)
    assert left(home) == []
    assert WEIGHTS not in {path for path, _ in site.requests}, "nothing large came in vain"


def test_a_wrong_size_is_noticed_before_anything_is_fetched(site: Site, home: Path) -> None:
    size = len(site.files[WEIGHTS])
    file = File(WEIGHTS, "weights", site.url(WEIGHTS), bytes=size + 1)
    told = Told()
    with pytest.raises(
        DownloadError, match=rf"{size:,} bytes on the server, expected {size + 1:,}:"
    ):
        get(site, files=[file], told=told)
    site.lengths = False
    with pytest.raises(DownloadError, match=rf"{size:,} bytes, expected {size + 1:,}"):
        get(site, files=[file])
    assert told.size == 0
    assert left(home) == []


def test_a_wrong_hash(site: Site, home: Path) -> None:
    with pytest.raises(DownloadError, match=rf"sha256 {sha256(site.files[WEIGHTS])}, expected 00"):
        get(site, sha256={WEIGHTS: "0" * 64})
    assert left(home) == []
    right = {WEIGHTS: sha256(site.files[WEIGHTS]).upper()}
    assert get(site, sha256=right).weights.is_file()
    file = File(WEIGHTS, "weights", site.url(WEIGHTS), hashes={"md5": "0" * 32})
    with pytest.raises(DownloadError, match="has the md5"):
        get(site, "other", files=[file])


def test_the_first_hash_is_held_ever_after(site: Site, tmp_path: Path) -> None:
    get(site)
    old = site.files[WEIGHTS]
    tiny_lm(seed=1).save(tmp_path / WEIGHTS)
    site.files[WEIGHTS] = (tmp_path / WEIGHTS).read_bytes()
    with pytest.raises(DownloadError, match=rf"expected {sha256(old)}: it is another file"):
        get(site, force=True)
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())
    new = sha256(site.files[WEIGHTS])
    get(site, force=True, sha256={WEIGHTS: new})
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm(seed=1))


def test_the_hash_of_a_broken_off_file_is_checked_too(site: Site, home: Path) -> None:
    """What another process left in the part is no file of ours."""
    site.cuts[WEIGHTS] = [5000, *[0] * 9]
    digests = {WEIGHTS: sha256(site.files[WEIGHTS])}
    with pytest.raises(BrokenOff):
        get(site, sha256=digests)
    part = home / "models/.tiny.part" / f"{WEIGHTS}.part"
    part.write_bytes(part.read_bytes()[:-1] + b"!")
    site.cuts.clear()
    with pytest.raises(DownloadError, match="it is another file"):
        get(site, sha256=digests)
    assert left(home) == []


# Room, locks, names


def test_no_room(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(home.parent)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(BrokenOff, match=r"needs [\d,]+ bytes more, and there are 10 free.*--to"):
        get(site)
    assert left(home) == []


def test_two_at_once(site: Site, home: Path) -> None:
    kept = home / "models" / ".tiny.part"
    kept.mkdir(parents=True)
    handle = lock(kept)
    assert handle is not None
    with pytest.raises(DownloadError, match="is being downloaded by another process"):
        get(site)
    assert site.requests == []
    unlock(handle)
    get(site)


def test_another_model_of_the_same_name(site: Site) -> None:
    get(site)
    other = [replace(find_file, url=find_file.url + "?") for find_file in get(site).files]
    with pytest.raises(DownloadError, match=r"holds tiny, with other files.*--force"):
        get(site, files=other)


def test_a_file_without_an_address(
    site: Site, home: Path, make_catalogue: MakeCatalogue, model_files: dict[str, bytes]
) -> None:
    files = [{"name": WEIGHTS, "role": "weights"}, {"name": OPTIONS, "role": "options"}]
    make_catalogue({"by_hand": {"files": files, "page": "https://example.org"}})
    entry, folder = find("by_hand"), folder_of("by_hand")

    def run() -> Fetched:
        return download("by_hand", entry.files, facts_of(entry), folder, progress=Told())

    with pytest.raises(DownloadError, match=r"has no address .*put it into this folder"):
        run()
    folder.mkdir()
    for name, content in model_files.items():
        (folder / name).write_bytes(content)
    assert_same(BiLM.from_pretrained("by_hand"), tiny_lm())
    assert run().files[0].hashes == {"sha256": sha256(model_files[WEIGHTS])}
    assert json.loads((folder / RECORD).read_text("utf8"))["name"] == "by_hand"
    assert site.requests == []


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.lists(st.integers(0, 30_000), max_size=3),
    ranges=st.booleans(),
    etags=st.booleans(),
    lengths=st.booleans(),
    piece=st.integers(1_000, 70_000),
)
def test_whatever_breaks_the_file_is_the_one_that_was_asked_for(
    site: Site, cuts: list[int], ranges: bool, etags: bool, lengths: bool, piece: int
) -> None:
    """Where a server does not say how long a file is, nobody can tell that it was cut."""
    site.cuts[WEIGHTS] = list(cuts) if lengths else []
    site.ranges, site.etags, site.lengths, site.piece = ranges, etags, lengths, piece
    folder = get(site).folder
    for name in (WEIGHTS, OPTIONS):
        assert (folder / name).read_bytes() == site.files[name]
    shutil.rmtree(folder)


def test_a_damaged_record_is_replaced_by_force(site: Site) -> None:
    folder = get(site).folder
    values = json.loads((folder / RECORD).read_text("utf8"))
    (folder / RECORD).write_text(json.dumps({**values, "files": 3}))
    with pytest.raises(WeightsError, match="no record of a download"):
        get(site)
    get(site, force=True)
    assert json.loads((folder / RECORD).read_text("utf8")) == values
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": "a shop"}'])
def test_a_record_of_another_kind_protects_its_folder(
    site: Site, tmp_path: Path, content: str
) -> None:
    files = {"thesis.tex": "Introduction", RECORD: content, "README.md": "Mine"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DownloadError, match="other things, so it is not replaced"):
        get(site, to=tmp_path, force=True)
    assert {name: (tmp_path / name).read_text() for name in files} == files
    assert site.requests == []


def test_force_keeps_what_is_not_of_the_download(site: Site) -> None:
    folder = get(site).folder
    (folder / "notes.txt").write_text("Good ones.")
    (folder / "mine").mkdir()
    (folder / "mine/x").write_text("x")
    site.files["other.hdf5"] = site.files[WEIGHTS]
    files = [
        File("other.hdf5", "weights", site.url("other.hdf5")),
        File(OPTIONS, "options", site.url(OPTIONS)),
    ]
    get(site, files=files, force=True)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["notes.txt", "mine", "other.hdf5", OPTIONS, RECORD, "README.md"]
    )
    assert (folder / "notes.txt").read_text() == "Good ones."
    assert (folder / "mine/x").read_text() == "x"
    assert_same(BiLM.from_pretrained("tiny"), tiny_lm())


def test_a_broken_off_download_lends_nothing_to_that_of_another_model(
    site: Site, tmp_path: Path, home: Path
) -> None:
    """Files of the same names, from other addresses."""
    site.cuts[WEIGHTS] = [5000, *[0] * 9]
    with pytest.raises(BrokenOff):
        get(site)
    assert (home / "models/.tiny.part" / OPTIONS).is_file()
    site.cuts.clear()
    other = tiny_lm(seed=1, cell_clip=0.5)
    other.save(tmp_path / "b" / WEIGHTS)
    for path in (tmp_path / "b").iterdir():
        site.files[f"b/{path.name}"] = path.read_bytes()
    files = [
        File(WEIGHTS, "weights", site.url(f"b/{WEIGHTS}")),
        File(OPTIONS, "options", site.url(f"b/{OPTIONS}")),
    ]
    folder = get(site, files=files).folder
    assert (folder / OPTIONS).read_bytes() == (tmp_path / "b" / OPTIONS).read_bytes()
    assert_same(BiLM.from_pretrained("tiny"), other)
    names = (WEIGHTS, OPTIONS, RECORD, "README.md")
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_every_step_of_a_redirect_is_encrypted(
    site: Site, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Encrypted(HTTPAdapter):
        """Says https, and asks the site."""

        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            said = request.url
            request.url = said.replace("https:", "http:")
            response = super().send(request, *args, **kwargs)
            request.url = response.url = said
            return response

    class Session(requests.Session):
        def __init__(self) -> None:
            super().__init__()
            self.mount("https://", Encrypted())

    monkeypatch.setattr(transfer.requests, "Session", Session)
    secure = site.address.replace("http:", "https:")
    site.files["end.hdf5"] = site.files[WEIGHTS]
    files = [File(WEIGHTS, "weights", f"{secure}/{WEIGHTS}")]
    site.redirects[WEIGHTS] = site.url("between")
    site.redirects["between"] = f"{secure}/end.hdf5"
    with pytest.raises(DownloadError, match=f"leads to {site.address}/between, which is not enc"):
        get(site, files=files)
    assert left(home) == []
    site.redirects[WEIGHTS] = f"{secure}/between"
    assert get(site, files=files).weights.read_bytes() == site.files[WEIGHTS]


def test_a_stream_without_a_length_ends_where_the_file_should(site: Site, home: Path) -> None:
    size = len(site.files[WEIGHTS])
    file = File(WEIGHTS, "weights", site.url(WEIGHTS), bytes=size)
    site.lengths, told = False, Told()
    site.files[WEIGHTS] += bytes(40 * transfer.CHUNK)
    with pytest.raises(DownloadError, match=rf"more than the {size:,} bytes expected"):
        get(site, files=[file], told=told)
    assert told.size <= size + transfer.CHUNK
    assert left(home) == []
    site.files[WEIGHTS] = site.files[WEIGHTS][:size]
    assert get(site, files=[file]).weights.stat().st_size == size
