"""Archives that are damaged or mean harm: one error that names file and member, and no traces."""

from __future__ import annotations

import errno
import gzip
import io
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_elmo.formats import WeightsError, dispatch, load, save
from tests.formats.archives.make import assert_refused, everything_under, member, pack, tar_of
from tests.formats.models import assert_same, model


def refused(archive: Path, cache: Path) -> str:
    """The message by which an archive is refused."""
    before = everything_under(archive.parent)
    with pytest.raises(WeightsError) as caught:
        load(archive)
    assert everything_under(archive.parent) == before
    assert not cache.exists()
    message = str(caught.value)
    assert message.startswith(f"{archive}: ")
    assert "unpacked/" not in message
    return message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "folder"
    save(model(), path / "model.hdf5")
    return path


def sound_members(folder: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]


TARS: dict[str, tuple[tuple[tarfile.TarInfo, bytes], str]] = {
    "parent": (member("../x"), r"member '../x' has a name that leads out"),
    "inner parent": (member("a/../../x"), "member 'a/../../x' has a name that leads out"),
    "windows parent": (member("a\\..\\..\\x"), "leads out of the archive"),
    "absolute": (member("/tmp/x"), "member '/tmp/x' has an absolute name"),
    "drive": (member("C:x"), "member 'C:x' has an absolute name"),
    "control": (member("a\nb"), "has a name with control characters"),
    "long": (member("x" * 300), "has a name that is too long"),
    "deep": (member("x/" * 600), "has a name that is too long"),
    "link": (
        member("options.json", b"", type=tarfile.SYMTYPE, linkname="/etc/hostname"),
        "member 'options.json' is a link to '/etc/hostname'",
    ),
    "hard link": (
        member("x", b"", type=tarfile.LNKTYPE, linkname="model.hdf5"),
        "member 'x' is a link to 'model.hdf5'",
    ),
    "device": (member("x", b"", type=tarfile.CHRTYPE), "member 'x' is a device"),
    "pipe": (member("x", b"", type=tarfile.FIFOTYPE), "member 'x' is a pipe"),
    "unknown": (member("x", b"", type=b"Z"), "member 'x' is of an unknown type"),
    "twice": (member("model.hdf5"), "member 'model.hdf5' stands there twice"),
    "twice by case": (member("./Model.HDF5"), "stands there twice"),
    "file and folder": (member("model.hdf5/x"), "is in a folder that is also a file"),
    "bomb": (member("x", bytes(2**24)), r"member 'x' says that it has 16,777,216 bytes"),
}


@pytest.mark.parametrize("name", TARS)
def test_tar(folder: Path, tmp_path: Path, cache: Path, name: str) -> None:
    evil, expected = TARS[name]
    archive = tar_of(tmp_path / "x.tar.gz", [*sound_members(folder), evil])
    message = refused(archive, cache)
    assert re.search(expected, message), message


def test_sparse(tmp_path: Path, cache: Path) -> None:
    """A GNU header of a file that is all hole, 8 GB."""
    info, _ = member("weights.th", b"", type=tarfile.GNUTYPE_SPARSE)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386 : 386 + 24] = b"%011o\0%011o\0" % (0, 0)
    header[483:495] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = bytes(header) + bytes(1024)
    (tmp_path / "x.tar").write_bytes(data)
    assert "member 'weights.th' is a file with holes" in refused(tmp_path / "x.tar", cache)


def test_a_header_that_fills_the_memory(tmp_path: Path, cache: Path) -> None:
    info, _ = member("x", b"", type=tarfile.XHDTYPE, size=2**33)
    with gzip.open(tmp_path / "x.tar.gz", "wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.write(bytes(2**22))
    assert "a header says that it has 8589934592 bytes" in refused(tmp_path / "x.tar.gz", cache)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE])
def test_a_size_below_nothing(tmp_path: Path, cache: Path, kind: bytes) -> None:
    headers = [member("x"), member("y", b"", type=kind, size=-1024)]
    with gzip.open(tmp_path / "x.tar.gz", "wb") as file:
        for info, data in headers:
            file.write(info.tobuf(tarfile.GNU_FORMAT) + data.ljust(512 * len(data), b"\0"))
        file.write(bytes(1024))
    message = refused(tmp_path / "x.tar.gz", cache)
    assert "'y' says that it has -1024 bytes" in message or "is damaged" in message


def test_a_stream_that_never_ends(folder: Path, tmp_path: Path, cache: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as target:
        for info, data in sound_members(folder):
            target.addfile(info, io.BytesIO(data))
    with gzip.open(tmp_path / "x.tar.gz", "wb") as file:
        file.write((tmp_path / "x.tar").read_bytes())
        for _ in range(40):
            file.write(bytes(2**20))
    assert "unpacks to more than" in refused(tmp_path / "x.tar.gz", cache)


def test_more_members_than_any_model_has(tmp_path: Path, cache: Path) -> None:
    with ZipFile(tmp_path / "x.zip", "w") as target:
        for number in range(10_001):
            target.writestr(str(number), b"")
    assert "holds more than 10,000 members" in refused(tmp_path / "x.zip", cache)


def evil_zip(folder: Path, archive: Path, *, name: str = "x", data: bytes = b"x", **fields) -> Path:
    with ZipFile(pack(folder, archive), "a") as target:
        info = ZipInfo("placeholder")
        for key, value in fields.items():
            setattr(info, key, value)
        info.filename = name
        target.writestr(info, data)
    return archive


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "../x"}, "member '../x' has a name that leads out"),
        ({"name": "..\\x"}, "has a name that leads out"),
        ({"name": "/x"}, "member '/x' has an absolute name"),
        ({"name": "model.hdf5"}, "member 'model.hdf5' stands there twice"),
        (
            {"external_attr": (stat.S_IFLNK | 0o777) << 16, "data": b"/etc/passwd"},
            "member 'x' is a link",
        ),
        ({"external_attr": (stat.S_IFIFO | 0o777) << 16}, "member 'x' is no file and no folder"),
        ({"compress_type": zipfile.ZIP_BZIP2}, "member 'x' is compressed by bzip2"),
        ({"compress_type": zipfile.ZIP_LZMA}, "member 'x' is compressed by lzma"),
        (
            {"compress_type": zipfile.ZIP_DEFLATED, "data": bytes(2**24)},
            "member 'x' says that it has 16,777,216 bytes",
        ),
    ],
)
def test_zip(folder: Path, tmp_path: Path, cache: Path, fields: dict, expected: str) -> None:
    archive = evil_zip(folder, tmp_path / "x.zip", **fields)
    assert expected in refused(archive, cache)


def patched(data: bytes, name: bytes, offset: int, form: str, value: int) -> bytes:
    """A zip with a field of a member's entry in the directory set to something else."""
    place = data.rindex(name) - 46
    assert data[place : place + 4] == b"PK\x01\x02"
    return b"".join(
        [
            data[: place + offset],
            struct.pack(form, value),
            data[place + offset + struct.calcsize(form) :],
        ]
    )


def test_encrypted(folder: Path, tmp_path: Path, cache: Path) -> None:
    data = pack(folder, tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(patched(data, b"model.hdf5", 8, "<H", 1))
    message = refused(tmp_path / "x.zip", cache)
    assert "member 'model.hdf5' is encrypted. Unpack it with its password" in message


@pytest.mark.parametrize("size", [100, 10**6])
def test_a_size_that_is_a_lie(folder: Path, tmp_path: Path, cache: Path, size: int) -> None:
    data = pack(folder, tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(patched(data, b"model.hdf5", 24, "<I", size))
    assert "member 'model.hdf5' " in refused(tmp_path / "x.zip", cache)


WRONG_KIND: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "page": lambda: b"<!DOCTYPE html><html>404</html>",
    "text": lambda: b"PK is how a zip begins",
    "one compressed file": lambda: gzip.compress(b"x" * 2000),
    "zeros": lambda: bytes(4096),
    "end of a zip": lambda: b"PK\x05\x06",
}


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz", ".tar"])
@pytest.mark.parametrize("kind", WRONG_KIND)
def test_wrong_kind(tmp_path: Path, cache: Path, kind: str, suffix: str) -> None:
    archive = tmp_path / f"x{suffix}"
    archive.write_bytes(WRONG_KIND[kind]())
    message = refused(archive, cache)
    assert "is no " in message or "is damaged" in message or "holds no weights" in message


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz", ".tar"])
def test_missing_member(folder: Path, tmp_path: Path, cache: Path, suffix: str) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/model.hdf5").write_bytes((folder / "model.hdf5").read_bytes())
    archive = pack(tmp_path / "part", tmp_path / f"x{suffix}")
    assert "member model.hdf5: has no options file" in refused(archive, cache)


def test_a_failure_of_reading_is_no_failure_of_unpacking(
    folder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = dispatch.read

    def failing(known: Any, path: Path, part: str | None, **given: Any) -> Any:
        if path.is_dir():
            raise OSError(errno.EIO, "Input/output error", str(path / "model.hdf5"))
        return read(known, path, part, **given)

    monkeypatch.setattr(dispatch, "read", failing)
    archive = pack(folder, tmp_path / "x.zip")
    message = refused(archive, cache)
    assert "was unpacked, and could not be read" in message
    assert "Input/output error: 'member model.hdf5'" in message
    assert "Make room" not in message


def test_a_cycle_of_links(tmp_path: Path) -> None:
    for one, other in (("a.zip", "b.zip"), ("b.zip", "a.zip")):
        (tmp_path / one).symlink_to(tmp_path / other)
    with pytest.raises(WeightsError, match=r"no weights at '.*a\.zip'"):
        load(tmp_path / "a.zip")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/self.zip").symlink_to("self.zip")
    (tmp_path / "folder/model.hdf5").symlink_to("model.hdf5")
    (tmp_path / "folder/options.json").symlink_to("options.json")
    with pytest.raises(WeightsError, match=r"folder"):
        load(tmp_path / "folder")


def test_archives_in_archives(folder: Path, tmp_path: Path, cache: Path) -> None:
    """One in another is read; one in one in another is not."""
    place = tmp_path / "model"
    place.mkdir()
    pack(folder, place / "model.tar.gz")
    outer = pack(place, tmp_path / "x.zip")
    (tmp_path / "more").mkdir()
    pack(place, tmp_path / "more/x.zip")
    message = refused(pack(tmp_path / "more", tmp_path / "y.zip"), cache)
    assert "member x.zip: holds no weights (found model.tar.gz)" in message
    assert_same(load(outer), model())


@pytest.fixture(scope="module")
def sound(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    place = tmp_path_factory.mktemp("sound")
    return {
        suffix: pack(folder, place / f"x{suffix}").read_bytes()
        for suffix in (".zip", ".tar.gz", ".tar.xz", ".tar")
    }


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz", ".tar"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_cut_anywhere(
    sound: dict[str, bytes], tmp_path: Path, cache: Path, suffix: str, data: st.DataObject
) -> None:
    whole = sound[suffix]
    # The last record of a tar is filled up with zeros beyond the two blocks that end it.
    end = len(whole.rstrip(b"\0")) if suffix == ".tar" else len(whole) - 1
    archive = tmp_path / f"x{suffix}"
    archive.write_bytes(whole[: data.draw(st.integers(0, end))])
    refused(archive, cache)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.xz"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_bit(
    sound: dict[str, bytes], tmp_path: Path, suffix: str, data: st.DataObject
) -> None:
    """Checksums of the archive see to it that nobody gets other weights."""
    damaged = bytearray(sound[suffix])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    archive = tmp_path / f"x{suffix}"
    archive.write_bytes(damaged)
    try:
        lm = load(archive)
    except WeightsError as error:
        message = str(error)
    else:
        message = str(archive)
        assert_same(lm, model())
    assert str(archive) in message


# Those that others made


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("traversal", "leads out"),
        ("traversal_only_names", "member '../../meta.json' has a name that leads out"),
        ("symlink", "member 'options.json' is a link"),
        ("duplicate_names", "member 'options.json' stands there twice"),
        ("truncated", "is damaged or truncated"),
        ("bad_crc", "member 'model.hdf5' is damaged"),
        ("encrypted", "member 'meta.json' is encrypted"),
        ("not_a_zip", "is no archive"),
        ("nothing_inside", "holds no weights (found README, meta.json, model.txt)"),
        ("bomb_5GB_bzip2", "member 'model.hdf5' says that it has 5,000,000,000 bytes"),
        ("bomb_vocab_60MB", "member 'vocab.txt' says that it has 60,000,000 bytes"),
        ("malicious_efml", ""),
    ],
)
def test_published_zips(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = shared / "fixtures/published/nlpl/hostile" / f"{name}.zip"
    assert_refused(archive, expected)
