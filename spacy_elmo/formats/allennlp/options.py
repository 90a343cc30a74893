"""What the options of an archived ELMo were: the shapes do not say clips and activation.

They are in `fta/`, where a model of AllenNLP 0.x was archived; else the catalogue may know what
address the config names. A path in the config is never opened: it is that of another machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spacy_elmo.catalogue import options_of_url
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.files import read_json

FOLDER = "fta"
_OPTIONS = "options_file"
_KINDS = (_OPTIONS, "weight_file")
_EMBEDDERS = "token_embedders"


@dataclass(frozen=True)
class Options:
    """Options, and where they are from.

    Attributes:
        source: For messages.
        values: Their contents; None: they are not known.
    """

    source: str
    values: Mapping[str, Any] | None = None


def find_options(folder: Path, config: Mapping[str, Any], module: str) -> Options:
    """The options of an ELMo in a model.

    Args:
        folder: The folder of the model.
        config: What its `config.json` holds.
        module: Path of the ELMo in the model.

    Returns:
        Its options. Where nothing says them, the source tells what the config names instead.

    Raises:
        WeightsError: For options that are no JSON, and for several that could be meant.
    """
    places = _places(folder, config)
    own = _of_module(places, module)
    if own is not None:
        return _read(own)
    found = [_read(place) for place in places.values()]
    if any(options.values != found[0].values for options in found):
        names = ", ".join(".".join(words) for words in places)
        what = f"has options of several models ({names}), and none is clearly that of {module!r}"
        raise problem(folder, what, "Give the path of the right one as `options`")
    return found[0] if found else Options("")


@dataclass
class _Place:
    """What a model has for one of its ELMos: the options themselves, and two addresses."""

    archived: Path | None = None
    options: str | None = None
    weights: str | None = None


def _places(folder: Path, config: Mapping[str, Any]) -> dict[tuple[str, ...], _Place]:
    """What there is for each ELMo, by the words of its place in the config."""
    found: dict[tuple[str, ...], _Place] = {}
    for key, file in _archived(folder):
        found.setdefault(_words(key)[:-1], _Place()).archived = file
    for key, address in named_files(config):
        *words, kind = _words(key)
        place = found.setdefault(tuple(words), _Place())
        if kind == _OPTIONS:
            place.options = address
        else:
            place.weights = address
    return found


def _read(place: _Place) -> Options:
    if place.archived is not None:
        return Options(str(place.archived), read_json(place.archived, error=WeightsError))
    for address in (place.options, place.weights):
        if address is not None and (values := options_of_address(address)) is not None:
            return Options(f"the options of {address} (catalogue)", values)
    return Options(place.options or "")


def options_of_address(address: str) -> Mapping[str, Any] | None:
    """The contents of a published options file by its address or that of its weights, offline."""
    if not address.startswith(("http://", "https://")):
        return None
    try:
        urlsplit(address)
    except ValueError:
        return None
    return options_of_url(address)


def settings_of(config: Mapping[str, Any], module: str) -> Mapping[str, Any]:
    """The part of a config that describes an ELMo, {} if it is not clear which."""
    found = {
        _words(f"{'.'.join(path)}.{_OPTIONS}")[:-1]: node
        for path, node in _nodes(config)
        if any(f"{kind}{s}" in node for kind in _KINDS for s in ("", "s"))
    }
    own: Mapping[str, Any] | None = _of_module(found, module)
    return own or {}


def named_files(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The files that a config names for its ELMos, by keys as `fta/` has them."""
    for path, node in _nodes(config):
        for kind in _KINDS:
            values = {kind: node.get(kind)}
            if isinstance(node.get(f"{kind}s"), Mapping):  # of several languages
                values |= {f"{kind}s.{name}": file for name, file in node[f"{kind}s"].items()}
            for name, value in values.items():
                if isinstance(value, str):
                    yield ".".join(["model", *path, name]), value


def _nodes(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """All objects in a model's description, with their keys."""
    todo: list[tuple[Any, tuple[str, ...]]] = [(config.get("model"), ())]  # however deep it is
    while todo:
        value, path = todo.pop()
        if isinstance(value, Mapping):
            yield path, value
            todo += [(each, (*path, str(key))) for key, each in value.items()]
        elif isinstance(value, list):
            todo += [(each, (*path, str(key))) for key, each in enumerate(value)]


def _archived(folder: Path) -> Iterator[tuple[str, Path]]:
    fta = folder / FOLDER
    for file in sorted(fta.iterdir()) if fta.is_dir() else ():
        if _OPTIONS in file.name and file.is_file():
            yield file.name, file


def _words(key: str) -> tuple[str, ...]:
    """A key without what modules have no names for.

    >>> _words("model.text_field_embedder.token_embedders.elmo.options_file")
    ('text_field_embedder', 'elmo', 'options_file')
    >>> _words("model.text_field_embedder.elmo.options_files.es")
    ('text_field_embedder', 'elmo', 'elmo_es', 'options_file')
    """
    parts = [part for part in key.removeprefix("model.").split(".") if part != _EMBEDDERS]
    if len(parts) > 1 and parts[-2] in (f"{kind}s" for kind in _KINDS):
        return (*parts[:-2], f"elmo_{parts[-1]}", parts[-2].removesuffix("s"))
    return tuple(parts)


def _of_module(found: Mapping[tuple[str, ...], Any], module: str) -> Any:
    """What belongs to a module, of what there is for all: what bears its name, or the only one."""
    parts = [part.removeprefix("_").removeprefix("token_embedder_") for part in module.split(".")]
    for words in (tuple(parts), tuple(parts[:-1])):  # an embedder holds its ELMo as `_elmo`
        if words and words in found:
            return found[words]
    return next(iter(found.values())) if len(found) == 1 else None
