"""What killed writers left is removed by the next; what a living one is at work on never is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spacy_elmo.aside import aside_name, remove_leftovers, workplace
from spacy_elmo.files import new_directory, new_file, new_files, write_text
from spacy_elmo.locks import lock, unlock

ROOT = Path(__file__).parents[1]
WRITER = """
import sys
from pathlib import Path
from spacy_elmo.files import new_directory, new_file, new_files
name, path = sys.argv[1], Path(sys.argv[2])
ways = {
    "file": lambda: new_file(path),
    "directory": lambda: new_directory(path, {"a"}, "a"),
    "files": lambda: new_files(path, last="a"),
}
with ways[name]() as aside:
    (aside if name == "file" else aside / "a").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    for name in (".step-1.bin.0123abcd.tmp", ".other.0123abcd.tmp", "step-1.bin", ".hidden"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, "step-*")
    assert names(tmp_path) == [".hidden", ".other.0123abcd.tmp", "step-1.bin"]


def test_a_directory_may_be_the_only_copy(tmp_path: Path) -> None:
    left = aside_name(tmp_path / "model")
    left.mkdir()
    (left / "weights").touch()
    remove_leftovers(tmp_path, "model")
    assert names(left) == ["weights"]
    (tmp_path / "model").mkdir()
    remove_leftovers(tmp_path, "mode")
    remove_leftovers(tmp_path, "other")
    assert names(left) == ["weights"]
    remove_leftovers(tmp_path, "model")
    assert names(tmp_path) == ["model"]


def test_what_is_locked_stays(tmp_path: Path) -> None:
    with workplace(tmp_path / "x") as folder:
        (tmp_path / "x").touch()
        remove_leftovers(tmp_path, "x")
        assert folder.exists()
        assert lock(folder) is None
    assert names(tmp_path) == ["x"]
    handle = lock(tmp_path / "x")
    assert handle is not None
    unlock(handle)


def test_a_name_with_the_signs_of_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "a[1]*"
    aside_name(path).touch()
    write_text(path, "x")
    assert names(tmp_path) == ["a[1]*"]


@pytest.mark.parametrize("kind", ["file", "directory", "files"])
def test_a_killed_writer(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    folder = path if kind == "files" else tmp_path

    def write(content: str) -> None:
        if kind == "file":
            with new_file(path) as aside:
                aside.write_text(content)
        elif kind == "directory":
            with new_directory(path, {"a"}, "a") as aside:
                (aside / "a").write_text(content)
        else:
            with new_files(path, last="a") as aside:
                (aside / "a").write_text(content)

    def content() -> str:
        return (path if kind == "file" else path / "a").read_text()

    write("first")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, kind, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        write("second")  # beside the other, which lives
        assert len([name for name in names(folder) if name.endswith(".tmp")]) == 1
        writer.kill()
        writer.wait(60)
    assert content() == "second"
    write("third")
    assert content() == "third"
    assert not [name for name in names(folder) if name.endswith(".tmp")]
