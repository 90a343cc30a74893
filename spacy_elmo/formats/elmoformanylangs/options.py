"""What describes a network of ELMoForManyLangs: the file that its `config.json` names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.files import is_file, read_json
from spacy_elmo.formats.sections import check_known, section_of

CONFIG = "config.json"

# What its package brings along under the names that published models give
# (`configs/cnn_50_100_512_4096_sample.json` and `cnn_0_100_...`, which are the same).
PACKAGED: dict[str, Any] = {
    "encoder": {
        "name": "elmo",
        "projection_dim": 512,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 4096,
        "n_layers": 2,
    },
    "token_embedder": {
        "name": "cnn",
        "activation": "relu",
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
        "n_highway": 2,
        "word_dim": 100,
        "char_dim": 50,
        "max_characters_per_token": 50,
    },
}

# Key in the file, our name.
_ENCODER: tuple[tuple[str, str], ...] = (
    ("dim", "lstm_dim"),
    ("projection_dim", "projection_dim"),
    ("n_layers", "n_layers"),
    ("cell_clip", "cell_clip"),
    ("proj_clip", "proj_clip"),
)
_TOKEN_EMBEDDER = ("word_dim", "char_dim", "max_characters_per_token")
_CNN = ("filters", "activation", "n_highway")


def read_options(folder: Path, given: Path | None) -> tuple[Path, dict[str, Any], str]:
    """The description of a network.

    Args:
        folder: The folder of the model.
        given: The file that describes it, if the user gives one.

    Returns:
        The file it comes from (for messages), the values, and what was assumed: "" if nothing.

    Raises:
        WeightsError: If `config.json` or the file cannot be read.
    """
    if given is not None:
        return given, read_json(given, error=WeightsError), ""
    config = folder / CONFIG
    if not config.is_file():
        return config, PACKAGED, _assumed(f"{CONFIG} is missing")
    named = read_json(config, error=WeightsError).get("config_path")
    if not isinstance(named, str):
        return config, PACKAGED, _assumed(f"{CONFIG} names no config_path")
    for name in (named, _last_part(named)):
        # What leads out of the folder was a place on the machine of the training.
        file = folder / name
        if name and not _leads_out(name) and file != config and is_file(file):
            return file, read_json(file, error=WeightsError), ""
    return config, PACKAGED, _assumed(f"the file {named!r}, which {CONFIG} names, is missing")


def network_values(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a `BiLMConfig`, without what the dictionaries say.

    Args:
        path: Where the options come from, for messages.
        options: The options.

    Raises:
        WeightsError: For encoders that never worked, and for what is missing, unknown or of a
            wrong kind.
    """
    encoder = _section(path, options, "encoder", "elmo", {key for key, _ in _ENCODER})
    values = {ours: _value(path, "encoder", encoder, key) for key, ours in _ENCODER}
    keys = {*_TOKEN_EMBEDDER, *_CNN}
    embedder = _section(path, options, "token_embedder", "cnn", keys)
    token = {key: _value(path, "token_embedder", embedder, key) for key in _TOKEN_EMBEDDER}
    characters = isinstance(token["char_dim"], int) and token["char_dim"] > 0
    for key in _CNN:
        if characters:
            token[key] = _value(path, "token_embedder", embedder, key)
    # Without characters the original reads none of these.
    token = token if characters else {**token, "filters": [], "n_highway": 0, "activation": "relu"}
    return {**values, "char_cnn": None, "many_langs": token}


def _section(
    path: Path, options: Mapping[str, Any], name: str, kind: str, known: set[str]
) -> Mapping[str, Any]:
    advice = "Give the file that describes the network as `options`"
    section = section_of(path, options, name, advice)
    given = section.get("name")
    if not isinstance(given, str) or given.lower() != kind:
        reason = {"lstm": ", which never worked in ELMoForManyLangs"}.get(str(given).lower(), "")
        what = f"'{name}.name' is {given!r}{reason}: expected {kind!r}"
        raise problem(path, what, "Only networks of that kind can be read")
    check_known(path, name, section, {*known, "name"})
    return section


def _value(path: Path, name: str, section: Mapping[str, Any], key: str) -> Any:
    if key not in section:
        raise problem(path, f"the key {f'{name}.{key}'!r} is missing", "Add it")
    return section[key]


def _assumed(why: str) -> str:
    encoder = PACKAGED["encoder"]
    return (
        f"{why}: assumed is the description that ELMoForManyLangs brings along (cell clip "
        f"{encoder['cell_clip']}, projection clip {encoder['proj_clip']}); give another as "
        "`options`"
    )


def _last_part(name: str) -> str:
    return PureWindowsPath(name).name  # which knows both kinds of slashes


def _leads_out(name: str) -> bool:
    kinds = PurePosixPath(name), PureWindowsPath(name)
    return any(kind.anchor or ".." in kind.parts for kind in kinds)
