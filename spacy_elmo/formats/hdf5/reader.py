"""Reading HDF5 weights of bilm-tf and AllenNLP, with an options file beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import OPTIONAL, STORED_INITIAL_STATES, BiLMConfig
from spacy_elmo.bilm.task_mix import TaskMix, task_mixes_of
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.formats.assemble import assemble, optional_tensors
from spacy_elmo.formats.blocks import FLOATS, Stored, read_tensors
from spacy_elmo.formats.generation import (
    ABSENT,
    check_belongs,
    unchanged,
    values_digest,
    words_digest,
)
from spacy_elmo.formats.hdf5.companions import (
    SUFFIXES,
    beside,
    kept,
    own,
    weight_files,
    weights_in,
)
from spacy_elmo.formats.hdf5.contained import check_complete, contained_datasets
from spacy_elmo.formats.hdf5.library import h5py_errors, import_h5py
from spacy_elmo.formats.hdf5.names import OWN_GROUP, TASK_MIXES
from spacy_elmo.formats.hdf5.options import read_config, to_options
from spacy_elmo.formats.tensors import network_tensors
from spacy_elmo.types import Array
from spacy_elmo.vocabulary import read_vocabulary

# Attributes of our own group.
_OWN = ("initial_state", "options", "vocabulary", TASK_MIXES, *OPTIONAL)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


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
    weights = weights_in(path) if path.is_dir() else path
    options_given = options is not None
    options = options or beside(weights, "options", ".json")
    if options is None:
        what = "has no options file (options.json or *_options.json) beside it"
        raise problem(weights, what, "Put it there, or give its path as `options`")
    h5py = import_h5py(weights)
    with unchanged(weights), ExitStack() as held:
        with h5py_errors(weights):
            file = held.enter_context(h5py.File(weights, "r"))
        stored = _datasets(weights, file)
        with h5py_errors(weights):
            said = _own(file)
        initial_state = said.get("initial_state", "zero")
        if initial_state not in STORED_INITIAL_STATES:
            what = f"initial_state of {OWN_GROUP!r} is {initial_state!r}"
            advice = f"Expected one of {STORED_INITIAL_STATES}: get the weights anew"
            raise problem(weights, what, advice)
        if not options_given:
            options = kept(options, said.get("options"))
        held.enter_context(unchanged(options))
        config, spelling = read_config(options, weights, stored, initial_state)
        config = _with_text(config, weights, said)
        n_words, rows_of = _rows_of_words(config, stored)
        words_file = vocab
        # A softmax may have come to a file that was written without a vocabulary.
        if vocab is None and (said.get("vocabulary") != ABSENT or n_words is not None):
            words_file = _vocabulary_file(weights, said.get("vocabulary"), n_words is not None)
        if words_file is not None:
            held.enter_context(unchanged(words_file))
        vocabulary = _vocabulary(weights, words_file, config, n_words, rows_of)
        n_words = len(vocabulary) if vocabulary is not None else n_words or 0
        optional = optional_tensors(n_words, config)
        tensors = read_tensors(
            weights,
            stored,
            (spelling.place(name, shape) for name, shape in network_tensors(config)),
            (spelling.place(name, shape) for name, shape in optional.items()),
            dtypes=FLOATS,
            described_by=str(options),
            device=device,
        )
        lm = assemble(weights, config, vocabulary, tensors)
        lm.task_mixes = _task_mixes(weights, said.get(TASK_MIXES), config)
        described = values_digest(to_options(config))
        check_belongs(options, weights, described, said.get("options"), source=path)
        if vocabulary is not None and said.get("vocabulary") != ABSENT:
            assert words_file is not None
            words = words_digest(vocabulary)
            check_belongs(words_file, weights, words, said.get("vocabulary"), source=path)
    return lm


def _datasets(path: Path, file: Any) -> dict[str, Stored]:
    """All datasets of a file, by full name."""
    found = contained_datasets(path, file)
    with h5py_errors(path):  # a damaged type is noticed when it is asked for
        return {
            name: Stored(
                tuple(item.shape or ()), item.dtype.name, partial(_read_rows, path, name, item)
            )
            for name, item in found.items()
        }


def _read_rows(path: Path, name: str, dataset: Any, start: int, stop: int) -> Array:
    with h5py_errors(path):
        if not start:
            check_complete(path, name, dataset)
        return dataset[start:stop]


def _own(file: Any) -> dict[str, str]:
    """What the file holds for this package alone: an initial state, digests of its companions."""
    attributes = file[OWN_GROUP].attrs if OWN_GROUP in file else {}
    return {name: str(attributes[name]) for name in _OWN if name in attributes}


def _with_text(config: BiLMConfig, path: Path, said: Mapping[str, str]) -> BiLMConfig:
    """A config with what the file says of the text that the model was trained on."""
    try:
        return replace(config, lang=said.get("lang"), tokenisation=said.get("tokenisation"))
    except ValueError as error:
        raise problem(path, f"{OWN_GROUP!r}: {error}", "Get the weights anew") from error


def _task_mixes(path: Path, text: str | None, config: BiLMConfig) -> tuple[TaskMix, ...]:
    try:
        return task_mixes_of(None if text is None else json.loads(text), config.n_outputs)
    except (ValueError, RecursionError) as error:
        raise problem(path, f"{OWN_GROUP!r}: {error}", "Get the weights anew") from error


def _rows_of_words(config: BiLMConfig, stored: Mapping[str, Stored]) -> tuple[int | None, str]:
    """How many words there must be, if that is known, and the tensor that says so."""
    if config.n_words is not None:
        return config.n_words, "embedding"
    for name in ("softmax/W", "softmax/b"):
        if name in stored and stored[name].shape:
            return stored[name].shape[0], name
    return None, ""


def _vocabulary_file(weights: Path, written: str | None, needed: bool) -> Path | None:
    """The vocabulary that bears the name of the weights; if one is needed, any beside them."""
    path = beside(weights, "vocab", ".txt") if needed else own(weights, "vocab", ".txt")
    return None if path is None else kept(path, written)


def _vocabulary(
    weights: Path, path: Path | None, config: BiLMConfig, n_words: int | None, rows_of: str
) -> list[str] | None:
    if path is not None:
        return read_vocabulary(
            path,
            n_words=n_words,
            rows_of=f"{rows_of!r} of {weights}",
            special=None if config.n_words is None else "anywhere",
            error=WeightsError,
        )
    if config.n_words is not None:
        what = "reads whole words, and has no vocabulary (vocab.txt) beside it"
        raise problem(weights, what, "Put it there, or give its path as `vocab`")
    return None
