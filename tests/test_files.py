"""Writing that is never seen half-done, and JSON that is read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_elmo import files
from spacy_elmo.errors import CorpusError, ElmoError
from spacy_elmo.files import (
    new_directory,
    new_file,
    new_files,
    put_directory,
    read_json,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["[1]", "{", "NaN", '{"a": NaN}', "", "\ud800"])
def test_only_an_object_of_json_is_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_bytes(content.encode("utf8", "surrogatepass"))
    with pytest.raises(CorpusError, match=r"x\.json: (is not valid JSON|holds a list)"):
        read_json(tmp_path / "x.json", error=CorpusError)
    with pytest.raises(ElmoError, match="cannot be read"):
        read_json(tmp_path / "nowhere.json")


def test_json_is_read_back(tmp_path: Path) -> None:
    values = {"a": [1, 2.5, None], "é": {"b": "\u2028"}}
    write_json(tmp_path / "x.json", values)
    assert read_json(tmp_path / "x.json") == values
    (tmp_path / "x.json").write_text('{"a": "b"}', "utf-8-sig")
    assert read_json(tmp_path / "x.json") == {"a": "b"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": float("inf")})


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.txt"
    write_text(path, "before\n")

    def fail() -> None:
        with new_file(path) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "before\n"
    assert names(path.parent) == ["x.txt"]
    write_text(path, "after\n")
    assert path.read_text() == "after\n"


def test_a_directory_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "model"

    def write(content: str, *, stop: bool = False) -> None:
        with new_directory(path, {"a", "b"}, last="a") as aside:
            (aside / "a").write_text(content)
            if stop:
                raise KeyboardInterrupt

    write("1")
    (path / "b").write_text("old")
    (path / "README.md").write_text("card")
    with pytest.raises(KeyboardInterrupt):
        write("2", stop=True)
    assert names(path) == ["README.md", "a", "b"]
    assert (path / "a").read_text() == "1"
    write("2")
    assert names(path) == ["README.md", "a"]
    assert (path / "a").read_text() == "2"
    assert names(tmp_path) == ["model"]


def test_a_directory_that_is_put_in_place_may_keep_nothing(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    put_directory(tmp_path / "new", tmp_path / "old")
    assert names(tmp_path) == ["old"]
    assert names(tmp_path / "old") == ["new"]


def test_all_that_is_in_a_directory_is_on_disk_before_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new/deep/deeper").mkdir(parents=True)
    (tmp_path / "new/deep/deeper/x").touch()
    flushed: list[str] = []

    def watched(path: Path) -> None:
        flushed.append(str(path.relative_to(tmp_path)))
        assert (tmp_path / "named").exists() == (path == tmp_path)

    monkeypatch.setattr(files, "flush", watched)
    put_directory(tmp_path / "new", tmp_path / "named")
    assert flushed[-1] == "."
    assert sorted(flushed) == [".", *("new", "new/deep", "new/deep/deeper", "new/deep/deeper/x")]


def test_files_of_a_folder_that_keeps_what_else_it_holds(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / ".new.tmp").mkdir()  # left by a process that was killed
    (tmp_path / ".new.tmp" / "left").touch()

    def write(*, stop: bool) -> None:
        with new_files(tmp_path, last="config.json") as aside:
            for name in ("config.json", "weights"):
                (aside / name).touch()
            if stop:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(stop=True)
    assert names(tmp_path) == ["training"]
    write(stop=False)
    assert names(tmp_path) == ["config.json", "training", "weights"]


def test_the_last_of_several_files_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []
    replace = Path.replace

    def note(path: Path, target: Path) -> Path:
        moved.append(path.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", note)
    with new_files(tmp_path, last="config.json") as aside:
        for name in ("a", "config.json", "weights"):
            (aside / name).touch()
    assert moved == ["a", "weights", "config.json"]


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "x").symlink_to(tmp_path / "real" / "x.txt")
    write_text(tmp_path / "x", "1")
    assert (tmp_path / "x").is_symlink()
    assert (tmp_path / "real" / "x.txt").read_text() == "1"
    with new_files(tmp_path / "link", last="a") as aside:
        (aside / "a").touch()
    assert names(tmp_path / "real") == ["a", "x.txt"]


def test_the_current_directory_and_an_empty_one_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    identity = tmp_path.stat().st_ino
    for written in (["a", "b"], ["b", "c"]):
        with new_directory(Path(), {"a", "b", "c"}, last="b") as aside:
            for name in written:
                (aside / name).write_text("".join(written))
        assert names(tmp_path) == written
        assert {path.read_text() for path in tmp_path.iterdir()} == {"".join(written)}
    assert tmp_path.stat().st_ino == identity
    write_text(Path("other"), "kept")
    with new_directory(Path(), {"a", "b", "c"}, last="b") as aside:
        (aside / "b").touch()
    assert names(tmp_path) == ["b", "other"]
