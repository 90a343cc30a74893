"""Reading HDF5 weights of bilm-tf and AllenNLP, with an options file beside them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import STORED_INITIAL_STATES, BiLMConfig
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.formats.assemble import assemble
from spacy_elmo.formats.blocks import Stored, read_tensors
from spacy_elmo.formats.hdf5.companions import SUFFIXES, beside, companion, only, weight_files
from spacy_elmo.formats.hdf5.library import h5py_errors, import_h5py
from spacy_elmo.formats.hdf5.names import OWN_GROUP
from spacy_elmo.formats.hdf5.options import read_config
from spacy_elmo.formats.tensors import mean_tensors, network_tensors, softmax_tensors, state_tensors
from spacy_elmo.types import Array
from spacy_elmo.vocabulary import read_vocabulary

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_DTYPES = ("float16", "float32", "float64")


def recognise(path: Path) -> bool:
    """A file with an ending or the first bytes of HDF5, or a folder that holds one."""
    if path.is_dir():
        return bool(weight_files(path))
    if not path.is_file():
        return False  # a pipe or device: looking into it could take for ever
    if path.suffix.lower() in SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def read(
    path: Path, *, options: Path | None, vocab: Path | None, device: str | torch.device
) -> BiLM:
    """Read an HDF5 file, or the one in a folder. See `Reader`.

    A vocabulary is read if it is given, or bears the name of the weights; any other beside them,
    where it is needed: for word input, and for the words of a softmax.

    Args:
        path: The file or folder.
        options: The options file, where it is not beside the weights.
        vocab: The vocabulary, where it is not beside them.
        device: Where the tensors go.

    Returns:
        The model.

    Raises:
        WeightsError: If anything about the weights is wrong.
    """
    weights = only(path, "weights", weight_files(path)) if path.is_dir() else path
    options = options or beside(weights, "options", ".json")
    if options is None:
        what = "has no options file (options.json or *_options.json) beside it"
        raise problem(weights, what, "Put it there, or give its path as `options`")
    h5py = import_h5py(weights)
    with h5py_errors(weights):
        file = h5py.File(weights, "r")
    with file:
        with h5py_errors(weights):
            stored = _datasets(weights, file)
            initial_state = _initial_state(file)
        if initial_state not in STORED_INITIAL_STATES:
            what = f"initial_state of {OWN_GROUP!r} is {initial_state!r}"
            advice = f"Expected one of {STORED_INITIAL_STATES}: get the weights anew"
            raise problem(weights, what, advice)
        config, spelling = read_config(options, weights, stored, initial_state)
        vocabulary, n_words = _vocabulary(weights, vocab, config, stored)
        optional = {
            **state_tensors(config),
            **mean_tensors(config),
            **softmax_tensors(n_words, config),
        }
        tensors = read_tensors(
            weights,
            stored,
            (spelling.place(name, shape) for name, shape in network_tensors(config)),
            (spelling.place(name, shape) for name, shape in optional.items()),
            dtypes=_DTYPES,
            described_by=str(options),
            device=device,
        )
    return assemble(weights, config, vocabulary, tensors)


def _datasets(path: Path, file: Any) -> dict[str, Stored]:
    """All datasets of a file, by full name."""
    stored: dict[str, Stored] = {}

    def visit(name: str | bytes, item: Any) -> None:
        if isinstance(name, bytes):  # what h5py gives for a name that is not UTF-8
            name = name.decode("utf8", "backslashreplace")
        if hasattr(item, "shape"):  # no group
            shape = tuple(item.shape or ())
            stored[name] = Stored(shape, item.dtype.name, partial(_read_rows, path, item))

    file.visititems(visit)
    return stored


def _read_rows(path: Path, dataset: Any, start: int, stop: int) -> Array:
    with h5py_errors(path):
        return dataset[start:stop]


def _initial_state(file: Any) -> str:
    return str(file[OWN_GROUP].attrs.get("initial_state", "zero")) if OWN_GROUP in file else "zero"


def _vocabulary(
    weights: Path, given: Path | None, config: BiLMConfig, stored: Mapping[str, Stored]
) -> tuple[list[str] | None, int]:
    """The vocabulary, if there is one, and the number of words that there must be."""
    n_words, rows_of = config.n_words, "embedding"
    if n_words is None:
        for rows_of in ("softmax/W", "softmax/b"):
            if rows_of in stored and stored[rows_of].shape:
                n_words = stored[rows_of].shape[0]
                break
    own = companion(weights, "vocab", ".txt")
    path = given or (own if own.is_file() else None)
    if path is None and n_words is not None:
        path = beside(weights, "vocab", ".txt")
    if path is not None:
        words = read_vocabulary(
            path,
            n_words=n_words,
            rows_of=f"{rows_of!r} of {weights}",
            special=None if config.n_words is None else "anywhere",
            error=WeightsError,
        )
        return words, len(words)
    if config.n_words is not None:
        what = "reads whole words, and has no vocabulary (vocab.txt) beside it"
        raise problem(weights, what, "Put it there, or give its path as `vocab`")
    return None, n_words or 0
