"""Reading the biLM out of a model of AllenNLP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.files import read_json
from spacy_elmo.formats.allennlp.mixes import read_mixes
from spacy_elmo.formats.allennlp.modules import choose_module
from spacy_elmo.formats.allennlp.names import config_of_shapes, translate
from spacy_elmo.formats.allennlp.options import FOLDER, Options, find_options, settings_of
from spacy_elmo.formats.assemble import assemble
from spacy_elmo.formats.blocks import FLOATS, Stored, read_tensors
from spacy_elmo.formats.format import Format
from spacy_elmo.formats.generation import unchanged
from spacy_elmo.formats.hdf5.names import STANDARD
from spacy_elmo.formats.hdf5.options import config_of_options
from spacy_elmo.formats.state_dict import read_state_dict
from spacy_elmo.formats.tensors import network_tensors

CONFIG = "config.json"
# Of an archive; of a folder in which a model was trained. The first that is there is read.
STATES = ("weights.th", "best.th")
_SUFFIX = ".th"


def recognise(path: Path) -> bool:
    """A state dict of AllenNLP, or the folder of a model, whole or not."""
    if path.is_file():
        return path.suffix == _SUFFIX
    if any((path / name).is_file() for name in STATES):
        return True
    return (path / CONFIG).is_file() and (
        (path / "vocabulary").is_dir() or (path / FOLDER).is_dir() or _is_of_model(path / CONFIG)
    )


def read(
    path: Path,
    *,
    options: Path | None,
    vocab: Path | None,
    device: str | torch.device,
    part: str | None = None,
) -> BiLM:
    """Read the biLM of a model. See `Reader`.

    Args:
        path: The folder of the model, or the state dict in it.
        options: An options file, instead of what the model says.
        vocab: None: AllenNLP reads characters only.
        device: Where the tensors go.
        part: Path of the module, where the model has several ELMos.

    Returns:
        The model, with the mixes of the task.

    Raises:
        WeightsError: If anything about the weights is wrong.
    """
    if vocab is not None:
        what = f"is a model of AllenNLP, which reads characters, but {vocab} was given"
        raise problem(path, what, "Leave out `vocab`")
    folder, state = _files(path)
    with unchanged(state, folder / CONFIG, *([options] if options else [])):
        config = _config(folder, options)
        tensors = read_state_dict(state)
        module = choose_module(state, tensors, part)
        sizes = config_of_shapes(state, module.prefix, tensors)
        known, notes = _with_options(folder, state, config, options, module.path, sizes)
        stored, places = translate(module.prefix, tensors, known)
        read = read_tensors(
            state,
            stored,
            places,
            (),
            dtypes=FLOATS,
            described_by=CONFIG,
            device=device,
        )
        lm = assemble(state, known, None, read)
        settings = settings_of(config, module.path)
        lm.task_mixes = read_mixes(
            state,
            module.elmo,
            tensors,
            known.n_outputs,
            layer_norm=settings.get("do_layer_norm") is True,
        )
        lm.notes = notes
    return lm


FORMAT = Format(
    description=f"a model of AllenNLP with an ELMo inside (a folder with {CONFIG}, {STATES[0]} or "
    f"{STATES[1]})",
    recognise=recognise,
    read=read,
    read_part=read,
)


def _is_of_model(path: Path) -> bool:
    try:
        return {"model", "dataset_reader"} <= read_json(path).keys()
    except ValueError:
        return False


def _files(path: Path) -> tuple[Path, Path]:
    """The folder of a model, and its state dict."""
    if not path.is_dir():
        return path.parent, path
    for name in STATES:
        if (path / name).is_file():
            return path, path / name
    what = "is missing, or is no file: it holds the weights of a model of AllenNLP"
    advice = f"Expected it, or {STATES[1]}, beside {CONFIG}: get the model anew"
    raise problem(path / STATES[0], what, advice)


def _config(folder: Path, options: Path | None) -> Mapping[str, Any]:
    path = folder / CONFIG
    if not path.exists() and options is not None:
        return {}
    if not path.is_file():
        what = "is missing, or is no file: it says which model of AllenNLP this is"
        raise problem(path, what, "Get the model anew, or give the options file as `options`")
    return read_json(path, error=WeightsError)


def _with_options(
    folder: Path,
    state: Path,
    config: Mapping[str, Any],
    given: Path | None,
    module: str,
    sizes: BiLMConfig,
) -> tuple[BiLMConfig, tuple[str, ...]]:
    """The whole config, and what to tell of it."""
    if given is not None:
        options = Options(str(given), read_json(given, error=WeightsError))
    else:
        options = find_options(folder, config, module)
    if options.values is None:
        assert sizes.char_cnn is not None
        named = f" ({options.source} in its config)" if options.source else ""
        return sizes, (
            f"its options are neither in it nor in the catalogue{named}: taken are those of the "
            f"published models, cell_clip {sizes.cell_clip:g}, proj_clip {sizes.proj_clip:g}, "
            f"{sizes.char_cnn.activation}. Give the right file as `options` if others hold",
        )
    told, _ = config_of_options(options.source, options.values, state, _as_hdf5(sizes), "zero")
    _compare(options.source, state, told, sizes, given is not None)
    return told, ()


def _as_hdf5(config: BiLMConfig) -> dict[str, Stored]:
    """The tensors that an HDF5 file with a network would hold: options are read beside them."""

    def unread(start: int, stop: int) -> Any:
        raise AssertionError("only shapes are looked at")

    places = (STANDARD.place(name, shape) for name, shape in network_tensors(config))
    return {place.key: Stored(place.shape_in_file, "float32", unread) for place in places}


def _compare(source: str, state: Path, told: BiLMConfig, sizes: BiLMConfig, given: bool) -> None:
    """Compare what options say with what the shapes do.

    Args:
        source: Where the options are from.
        state: The state dict.
        told: What they say.
        sizes: What its shapes say.
        given: Whether a user gave them: then also what AllenNLP cannot do is done.

    Raises:
        WeightsError: At the first difference.
    """
    free = {"cell_clip", "proj_clip", "activation"}
    if given:
        free |= {"use_skip_connections", "max_characters_per_token"}
    said, found = _flat(told), _flat(sizes)
    for name, value in found.items():
        if name not in free and said[name] != value:
            what = f"says that {name} is {said[name]!r}, but of {state} it is {value!r}"
            raise problem(source, what, "Use the options that belong to these weights")


def _flat(config: BiLMConfig) -> dict[str, Any]:
    values = asdict(config)
    return values | (values.pop("char_cnn") or {})
