"""What is unpacked once is kept: by content, whole, and safe against others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from spacy_elmo.formats import WeightsError, load, save
from spacy_elmo.formats.archives import contents, zips
from tests.formats.archives.make import everything_under, pack
from tests.formats.models import assert_same, model


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    save(model(), tmp_path / "folder/model.hdf5")
    (tmp_path / "folder/graph.meta").write_bytes(b"TensorFlow's")
    return pack(tmp_path / "folder", tmp_path / "x.zip")


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the members that are unpacked from now on."""
    names: list[str] = []
    copy = zips.copy_member

    def watched(source: object, target: Path, name: str, inventory: object) -> None:
        names.append(name)
        copy(source, target, name, inventory)  # type: ignore[arg-type]

    monkeypatch.setattr(zips, "copy_member", watched)
    return names


def test_once(archive: Path, tmp_path: Path, unpacked: list[str], cache: Path) -> None:
    members = ["model.hdf5", "model_options.json"]
    assert contents(archive) is None
    assert_same(load(archive), model())
    assert sorted(unpacked) == members
    shutil.copy(archive, tmp_path / "again.zip")
    for path in (archive, tmp_path / "again.zip"):
        assert_same(load(path), model())
    assert sorted(unpacked) == members
    found = contents(archive)
    assert found is not None
    assert found.is_relative_to(cache)
    assert sorted(path.name for path in found.iterdir()) == members
    assert not [name for name in everything_under(cache) if name.endswith(".tmp")]


def test_another_archive_in_its_place(archive: Path, tmp_path: Path) -> None:
    load(archive)
    shutil.rmtree(tmp_path / "folder")
    save(model(seed=1), tmp_path / "folder/model.hdf5")
    pack(tmp_path / "folder", archive)
    assert_same(load(archive), model(seed=1))


@pytest.mark.parametrize("damage", ["removed", "cut", "changed"])
def test_a_damaged_cache(archive: Path, unpacked: list[str], damage: str) -> None:
    load(archive)
    folder = contents(archive)
    assert folder is not None
    file = folder / "model.hdf5"
    if damage == "removed":
        file.unlink()
    elif damage == "cut":
        os.truncate(file, 100)
    else:
        data = bytearray(file.read_bytes())
        data[:8] = b"8 others"
        file.write_bytes(data)
    assert_same(load(archive), model())
    assert unpacked.count("model.hdf5") == 2
    assert contents(archive) == folder
    assert_same(load(archive), model())  # of what was kept anew
    assert unpacked.count("model.hdf5") == 2


def test_a_cache_that_cannot_be_written_to(archive: Path, cache: Path) -> None:
    cache.write_text("no folder")
    with pytest.warns(UserWarning, match=r"cannot be written to .* unpacked anew whenever"):
        assert_same(load(archive), model())
    assert contents(archive) is None
    assert cache.read_text() == "no folder"


def test_no_room(archive: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(archive.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(WeightsError, match=r"x\.zip: needs .* and 1,000 are free. Make room"):
        load(archive)
    assert not cache.exists()


@pytest.mark.soak
def test_processes_side_by_side(archive: Path, cache: Path) -> None:
    code = "import sys; from spacy_elmo.formats import load; print(load(sys.argv[1]).config.width)"
    command = [sys.executable, "-c", code, str(archive)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        out, _ = process.communicate(timeout=200)
        assert (process.returncode, out) == (0, "8\n")
    (place,) = (cache / "unpacked").iterdir()
    assert sorted(file.name for file in place.iterdir()) == ["contents", "members.json"]


@pytest.mark.soak
def test_what_a_killed_process_left(archive: Path, cache: Path) -> None:
    code = """
    import os, signal, sys
    from spacy_elmo.formats import load
    from spacy_elmo.formats.archives import zips
    copy = zips.copy_member
    def killed(*given):
        copy(*given)
        os.kill(os.getpid(), signal.SIGKILL)
    zips.copy_member = killed
    load(sys.argv[1])
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(archive)]
    assert subprocess.run(command, timeout=200).returncode == -signal.SIGKILL
    (left,) = (cache / "unpacked").iterdir()
    assert left.name.endswith(".tmp")
    assert contents(archive) is None
    assert_same(load(archive), model())
    (place,) = (cache / "unpacked").iterdir()
    assert sorted(file.name for file in place.iterdir()) == ["contents", "members.json"]
