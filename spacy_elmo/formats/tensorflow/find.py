"""Where a checkpoint is, given its folder, its index, or a folder of TF-Hub."""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath

from spacy_elmo.errors import problem
from spacy_elmo.files import is_file
from spacy_elmo.formats.tensorflow.bundle import INDEX

STATE = "checkpoint"
"""Name of the file that says which checkpoint of a folder is the newest."""
_HUB = Path("variables") / f"variables{INDEX}"
_LARGEST_STATE = 1 << 20
_NAMED = re.compile(rb'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
_ESCAPED = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)


def looks_like_one(path: Path) -> bool:
    """Whether a path is that of a checkpoint, by names and first bytes.

    It is an index, or a folder with one in it, or with a file that says which it should have.
    """
    if path.is_dir():
        return bool(_indexes(path)) or (path / _HUB).is_file() or _named(path) is not None
    return path.name.endswith(INDEX) and path.is_file()


def find_index(path: Path) -> Path:
    """The index of a checkpoint.

    Args:
        path: The index, or a folder: its file `checkpoint` says which is meant, wherever the
            training wrote it; without one there must be one alone.

    Raises:
        WeightsError: If a folder has several, or not the one it says.
    """
    if not path.is_dir():
        return path
    found = _indexes(path)
    if not found and (path / _HUB).is_file():
        return path / _HUB
    names = ", ".join(file.name for file in found) or "none"
    named = _named(path)
    if named is not None:
        index = path / f"{named}{INDEX}"
        if not is_file(index):
            what = f"names {named!r}, but {index.name} is not there (there is: {names})"
            advice = "Copy it there, or give the path of another .index; checkpoints of one file, "
            raise problem(path / STATE, what, f"{advice}before TensorFlow 0.12, are not read")
        return index
    if len(found) != 1:
        what = f"holds {len(found)} checkpoints ({names}), and no file {STATE!r} says which"
        raise problem(path, what, "Give the path of one .index")
    return found[0]


def _indexes(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(INDEX) and file.is_file())


def _named(folder: Path) -> str | None:
    """The checkpoint that a folder's state file names, without the folder it was in then."""
    state = folder / STATE
    if not state.is_file() or state.stat().st_size > _LARGEST_STATE:
        return None
    match = _NAMED.search(state.read_bytes())
    if match is None:
        return None
    name = _ESCAPED.sub(_unescaped, match[1]).decode("utf8", "replace")
    return PureWindowsPath(name).name or None  # which knows both kinds of slashes


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code[:1] in b"01234567":
        return bytes([int(code, 8) & 0xFF])
    if code[:1] == b"x" and len(code) > 1:
        return bytes([int(code[1:], 16)])
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r"}.get(code, code)
