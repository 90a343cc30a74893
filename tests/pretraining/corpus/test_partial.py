"""Where a corpus is written to: links are followed, folders stay, and all is known before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.corpus.prepare import prepare


def run(folder: Path, word: str, output: str | Path, *, force: bool = False) -> None:
    (folder / "in.txt").write_text(f"{word}\n")
    prepare([folder / "in.txt"], output, tokenized=True, min_count=1, force=force)


def types(folder: Path) -> list[str]:
    return Corpus(folder).types[3:]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


FILES = ["characters.npy", "corpus.json", "sentences.npy", "tokens.npy", "types.txt", "vocab.txt"]


@pytest.mark.parametrize("there", ["empty", "corpus", "missing"])
def test_links_are_followed(there: str, tmp_path: Path) -> None:
    real = tmp_path / "disk" / "real"
    real.parent.mkdir()
    if there == "empty":
        real.mkdir()
    elif there == "corpus":
        run(tmp_path, "old", real)
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "parent").symlink_to(real.parent)
    run(tmp_path, "new", tmp_path / "link", force=there == "corpus")
    assert (tmp_path / "link").is_symlink()
    assert types(real) == ["new"]
    run(tmp_path, "newer", tmp_path / "parent" / "real", force=True)
    assert types(real) == ["newer"]
    assert names(real.parent) == ["real"]
    assert names(tmp_path) == ["disk", "in.txt", "link", "parent"]


def test_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    identity = here.stat().st_ino
    run(tmp_path, "one", ".")
    assert names(Path()) == FILES
    run(tmp_path, "two", ".", force=True)
    assert types(Path()) == ["two"]
    assert names(Path()) == FILES
    assert here.stat().st_ino == identity  # a shell that stands there still does


def test_a_folder_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(FileNotFoundError, match="out: the current folder was deleted: change to"):
        run(tmp_path, "one", "out")
    run(tmp_path, "one", tmp_path / "out")
    assert types(tmp_path / "out") == ["one"]
    os.chdir(tmp_path)


def test_an_empty_folder_stays_and_is_filled(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o700)
    identity = out.stat().st_ino
    run(tmp_path, "one", out)
    assert (out.stat().st_ino, out.stat().st_mode & 0o777) == (identity, 0o700)
    with pytest.raises(FileExistsError, match="exists already"):
        run(tmp_path, "two", out)
    assert names(tmp_path) == ["in.txt", "out"]


def test_killed_while_it_filled_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(tmp_path, "one", out)
    whole = shutil.copytree(out, tmp_path / "whole")
    # At work: the next must be forced. Moving: it is finished.
    (out / ".partial").mkdir()
    for name in FILES:
        (out / name).rename(out / ".partial" / name)
    (out / ".partial" / "corpus.json").unlink()
    with pytest.raises(FileExistsError, match=r"\.partial exists: another run .* was killed"):
        run(tmp_path, "two", out)
    run(tmp_path, "two", out, force=True)
    assert (types(out), names(out)) == (["two"], FILES)
    shutil.rmtree(out)
    shutil.copytree(whole, out)
    (out / ".partial").mkdir()
    for name in ("corpus.json", "tokens.npy"):
        (out / name).rename(out / ".partial" / name)
    with pytest.raises(FileExistsError, match="exists already"):
        run(tmp_path, "two", out)
    assert (types(out), names(out)) == (["one"], FILES)


def test_nothing_is_read_before_it_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    read: list[int] = []
    (tmp_path / "in.txt").write_text("a\n")
    with pytest.raises(OSError, match=r"Not a directory|exists"):
        prepare([tmp_path / "in.txt"], tmp_path / "file" / "out", advance=read.append)
    with pytest.raises(FileExistsError, match="is no prepared corpus"):
        prepare([tmp_path / "in.txt"], tmp_path / "file", force=True, advance=read.append)
    assert read == []
