"""Files of a folder that are replaced at once, and what else the folder holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from spacy_elmo import replacing
from spacy_elmo.replacing import new_version

OWN = {"config.json", "weights", "vocab.txt"}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="file by file there")


def write(folder: Path, *names: str) -> None:
    with new_version(folder, "config.json", OWN) as aside:
        for name in names:
            (aside / name).write_text("".join(names))


def tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_ino for path in folder.rglob("*")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that holds an older version, and other things."""
    made = tmp_path / "out"
    write(made, "config.json", "weights", "vocab.txt")
    (made / "training/checkpoints").mkdir(parents=True)
    (made / "training/checkpoints/step-1").write_text("kept")
    (made / "link").symlink_to("training")
    made.chmod(0o750)
    return made


def test_the_rest_stays(folder: Path) -> None:
    before, identity = tree(folder), folder.stat().st_ino
    with (folder / "training/checkpoints/step-1").open("a") as kept_open:
        write(folder, "config.json", "weights")
        kept_open.write(" on")
    assert (folder / "training/checkpoints/step-1").read_text() == "kept on"
    after = tree(folder)
    assert after.keys() == before.keys() - {"vocab.txt"}
    assert after["training/checkpoints/step-1"] == before["training/checkpoints/step-1"]
    assert (folder / "link").is_symlink()
    assert folder.stat().st_mode & 0o777 == 0o750
    assert (folder / "weights").read_text() == "config.jsonweights"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]
    if sys.platform == "linux":
        assert folder.stat().st_ino != identity  # it was one step


@pytest.mark.parametrize("missing", ["exchange", "links", "the folder above"])
def test_file_by_file_where_nothing_else_can_be_done(
    folder: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("not here")

    if missing == "exchange":
        monkeypatch.setattr(replacing, "exchange", lambda first, second: False)
    elif missing == "links":
        monkeypatch.setattr(os, "link", refuse)
    else:
        workplace = replacing.workplace
        monkeypatch.setattr(
            replacing, "workplace", lambda path: (refuse if path == folder else workplace)(path)
        )
    identity, before = folder.stat().st_ino, tree(folder)
    write(folder, "config.json", "weights")
    assert folder.stat().st_ino == identity
    assert tree(folder).keys() == before.keys() - {"vocab.txt"}
    assert (folder / "weights").read_text() == "config.jsonweights"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_the_current_folder_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    identity = folder.stat().st_ino
    write(Path(), "config.json", "weights")
    assert folder.stat().st_ino == identity
    assert not (folder / "vocab.txt").exists()


def test_what_fails_leaves_the_old(folder: Path) -> None:
    before = tree(folder)

    def fail() -> None:
        with new_version(folder, "config.json", OWN) as aside:
            (aside / "config.json").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert tree(folder) == before
