"""The options file beside HDF5 weights: bilm-tf's and AllenNLP's description of the network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.errors import ElmoError, WeightsError, problem
from spacy_elmo.files import read_json
from spacy_elmo.formats.blocks import Stored
from spacy_elmo.formats.hdf5.names import SPELLINGS, Spelling
from spacy_elmo.formats.sections import check_known, section_of

_REQUIRED = object()
_ADVICE = "Use the options file that was published or saved with the weights"

# Key in the file, our name, value when absent: bilm-tf's defaults, for it writes such files.
_LSTM: tuple[tuple[str, str, Any], ...] = (
    ("dim", "lstm_dim", _REQUIRED),
    ("projection_dim", "projection_dim", _REQUIRED),
    ("n_layers", "n_layers", 1),
    ("cell_clip", "cell_clip", None),
    ("proj_clip", "proj_clip", None),
    ("use_skip_connections", "use_skip_connections", False),
)
_CHAR_CNN: tuple[tuple[str, str, Any], ...] = (
    ("filters", "filters", _REQUIRED),
    ("activation", "activation", _REQUIRED),
    ("max_characters_per_token", "max_characters_per_token", _REQUIRED),
    ("n_highway", "n_highway", 0),
)


def read_config(
    path: Path,
    weights: Path,
    stored: Mapping[str, Stored],
    initial_state: str,
    spellings: Sequence[Spelling] = SPELLINGS,
) -> tuple[BiLMConfig, Spelling]:
    """Read an options file; see `config_of_options`."""
    return config_of_options(
        path, read_json(path, error=WeightsError), weights, stored, initial_state, spellings
    )


def config_of_options(
    path: Path | str,
    options: Mapping[str, Any],
    weights: Path,
    stored: Mapping[str, Stored],
    initial_state: str,
    spellings: Sequence[Spelling] = SPELLINGS,
) -> tuple[BiLMConfig, Spelling]:
    """The config of HDF5 weights, and how their LSTM weights are named.

    Args:
        path: The options file, or what else to call where they come from, for messages.
        options: Its contents. They say what the network is; the weights only decide what options
            leave open: rows of tables, and whether there are projections.
        weights: The HDF5 file, for messages.
        stored: Its datasets by name.
        initial_state: As our own group in the HDF5 file gives it; "zero" without one.
        spellings: How LSTM weights may be named.

    Returns:
        The config, and the names.

    Raises:
        WeightsError: For options that are missing, unknown, invalid, or contradict the weights.
    """
    lstm = section_of(path, options, "lstm", _ADVICE)
    values = _values(path, "lstm", lstm, _LSTM)
    spelling = _spelling(path, weights, stored, values["n_layers"], spellings)
    cell_projection = f"{spelling.cell.format(d=0, i=0)}/{spelling.projection}"
    values |= {
        "bidirectional": _bidirectional(path, options, weights, spelling),
        "lstm_projection": cell_projection in stored
        or values["lstm_dim"] != values["projection_dim"],
        "initial_state": initial_state,
        "char_cnn": None,
    }
    if options.get("char_cnn") is not None:
        values["char_cnn"] = _char_cnn(path, options, weights, stored, values["projection_dim"])
    else:
        values["n_words"] = _rows(path, weights, stored, "embedding")
    try:
        return BiLMConfig.from_dict(values), spelling
    except ValueError as error:
        raise problem(path, str(error), "Correct the options") from error


def to_options(config: BiLMConfig) -> dict[str, Any]:
    """The options of a config, with every key that AllenNLP and bilm-tf ask for.

    What options cannot say (projections, the initial state) is seen from the weights.
    """
    options: dict[str, Any] = {
        "bidirectional": config.bidirectional,
        "lstm": {key: getattr(config, ours) for key, ours, _ in _LSTM},
    }
    cnn = config.char_cnn
    if cnn is not None:
        options["char_cnn"] = {
            "embedding": {"dim": cnn.embedding_dim},
            "filters": [list(pair) for pair in cnn.filters],
            "activation": cnn.activation,
            "n_highway": cnn.n_highway,
            # For prediction the padding row counts as well.
            "n_characters": cnn.n_characters + 1,
            "max_characters_per_token": cnn.max_characters_per_token,
        }
    return options


def _values(
    path: Path | str, name: str, section: Mapping[str, Any], keys: tuple[tuple[str, str, Any], ...]
) -> dict[str, Any]:
    check_known(path, name, section, {key for key, _, _ in keys})
    values = {}
    for key, ours, default in keys:
        value = section.get(key)  # null is "not given", as in bilm-tf
        values[ours] = default if value is None else value
        if values[ours] is _REQUIRED:
            raise problem(path, f"the key {f'{name}.{key}'!r} is missing", "Add it")
    return values


def _char_cnn(
    path: Path | str,
    options: Mapping[str, Any],
    weights: Path,
    stored: Mapping[str, Stored],
    projection_dim: Any,
) -> dict[str, Any]:
    section = dict(section_of(path, options, "char_cnn", _ADVICE))
    embedding = section.pop("embedding", None)
    if not isinstance(embedding, dict) or embedding.keys() != {"dim"}:
        raise problem(path, f"'char_cnn.embedding' is {embedding!r}, expected {{'dim': number}}")
    told = section.pop("n_characters", None)
    rows = _rows(path, weights, stored, "char_embed")
    # Training counts 261 characters, prediction 262, with padding; the file has 261 either way.
    if told not in (None, rows, rows + 1):
        what = f"char_cnn.n_characters is {told!r}, but 'char_embed' has {rows} rows"
        raise _mismatch(path, weights, what)
    values = _values(path, "char_cnn", section, _CHAR_CNN)
    values |= {"embedding_dim": embedding["dim"], "n_characters": rows, "projection": True}
    if "CNN_proj/W_proj" not in stored:
        try:
            n_filters = sum(number for _, number in values["filters"])
        except (TypeError, ValueError):
            return values  # the config says what is wrong with the filters
        values["projection"] = n_filters != projection_dim
    return values


def _rows(path: Path | str, weights: Path, stored: Mapping[str, Stored], name: str) -> int:
    """Rows of a table; which one there must be follows from the options."""
    if name in stored and len(stored[name].shape) == 2:
        return stored[name].shape[0]
    what = f"has shape {stored[name].shape}, not two axes" if name in stored else "is missing"
    kind = "characters" if name == "char_embed" else "whole words (no 'char_cnn')"
    raise problem(
        weights,
        f"{what}, but {path} describes a model that reads {kind}",
        "Use the options file that belongs to these weights",
        tensor=name,
    )


def _spelling(
    path: Path | str,
    weights: Path,
    names: Collection[str],
    n_layers: Any,
    spellings: Sequence[Spelling],
) -> Spelling:
    for spelling in spellings:
        if not spelling.is_used(names):
            continue
        if not spelling.numbers_layers and n_layers != 1:
            what = f"lstm.n_layers is {n_layers!r}, but the weights have one LSTM layer"
            raise _mismatch(path, weights, what)
        return spelling
    expected = " or ".join(f"{s.cell.format(d=0, i=0)}/{s.weight}" for s in spellings[:4])
    raise problem(
        weights,
        f"holds no weights of the first LSTM layer: expected {expected}, found {_some(names)}",
        "Give the weights of a biLM",
    )


def _bidirectional(
    path: Path | str, options: Mapping[str, Any], weights: Path, spelling: Spelling
) -> Any:
    told = options.get("bidirectional")
    if spelling.numbers_directions:
        return True if told is None else told
    if told:
        raise _mismatch(path, weights, "'bidirectional' is true, but the weights are forward only")
    return False


def _mismatch(path: Path | str, weights: Path, what: str) -> ElmoError:
    return problem(path, f"{what} ({weights})", "Use the options that belong to these weights")


def _some(names: Collection[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(sorted(names)[:5]) or 'none'}{more}"
