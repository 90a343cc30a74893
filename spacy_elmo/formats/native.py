"""The native format: a directory of `config.json` and `weights.safetensors`.

`config.json` holds a marker, a version, and the fields of `BiLMConfig`. `weights.safetensors`
holds the tensors by the network's own names. `vocab.txt` and `softmax.safetensors` are there when
the model has a vocabulary and an output layer. Both files of tensors name, in their metadata, the
digests of the config, the vocabulary and the network that they were written with; files of earlier
versions do not.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.task_mix import TaskMix, task_mixes_of
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.files import new_directory, read_json, write_json
from spacy_elmo.formats.assemble import assemble, config_of, config_to_store, tensors_to_store
from spacy_elmo.formats.blocks import Stored, read_tensors
from spacy_elmo.formats.cards import CARD, is_same_network, is_stub, replaced, stub
from spacy_elmo.formats.format import Format
from spacy_elmo.formats.generation import (
    check_belongs,
    tensors_digest,
    unchanged,
    values_digest,
    words_digest,
)
from spacy_elmo.formats.tensors import (
    Place,
    mean_tensors,
    network_tensors,
    softmax_tensors,
    state_tensors,
)
from spacy_elmo.types import Array, Shape
from spacy_elmo.vocabulary import VOCABULARY_FILE, read_vocabulary, write_vocabulary

MARKER = "spacy-elmo.bilm"
VERSION = 1

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
SOFTMAX = "softmax.safetensors"
FILES = frozenset({CONFIG, WEIGHTS, VOCABULARY_FILE, SOFTMAX})
# One key: safetensors writes several in any order, and the same model is to give the same bytes.
METADATA = MARKER
# Key of the config, there only in weights that come from a task's model.
TASK_MIXES = "task_mixes"

# Number types as safetensors and as numpy name them.
_DTYPES = {"F16": "float16", "F32": "float32"}


def recognise(path: Path) -> bool:
    """A directory with our weights or our config in it."""
    return (path / WEIGHTS).is_file() or _has_marker(path)


def read(
    path: Path, *, options: Path | None, vocab: Path | None, device: str | torch.device
) -> BiLM:
    """Read a native directory. See `Reader`.

    Args:
        path: The directory.
        options: None: the directory has its own.
        vocab: None: the directory has its own.
        device: Where the tensors go.

    Returns:
        The model.

    Raises:
        WeightsError: If anything about the weights is wrong, or `options` or `vocab` is given.
    """
    for kind, given in (("options", options), ("vocab", vocab)):
        if given is not None:
            what = f"is a native directory with {kind} of its own, but {given} was given"
            raise problem(path, what, f"Leave out `{kind}`")
    with unchanged(*(path / name for name in sorted(FILES))):
        config = read_config(path / CONFIG)
        vocabulary, n_words = _vocabulary(path, config)
        tensors = _read(
            path / WEIGHTS,
            network_tensors(config),
            {**state_tensors(config), **mean_tensors(config)},
            device,
        )
        if (path / SOFTMAX).is_file():
            required = softmax_tensors(n_words, config).items()
            tensors |= _read(path / SOFTMAX, required, {}, device)
        lm = assemble(path, config, vocabulary, tensors)
        lm.task_mixes = _task_mixes(path / CONFIG, config)
        _check_belong(path, vocabulary)
    return lm


def write(lm: BiLM, path: Path, *, dtype: str = "float32", card: bool = False) -> None:
    """Write a native directory. See `Writer`.

    An existing directory is replaced if it is native or empty; a model card or other files beside
    ours stay in it. A card that was written for other weights says so from then on (`cards.py`).

    Args:
        lm: The model.
        path: The directory.
        dtype: Number type of the stored weights, "float32" or "float16".
        card: Whether a directory without a card gets a stub of one.

    Raises:
        WeightsError: For a path that is something else, and for a model that could not be read
            back: values that `dtype` cannot hold, a vocabulary that is missing or too short.
    """
    if dtype not in _DTYPES.values():
        raise problem(path, f"cannot be written as {dtype}", f"Use one of {list(_DTYPES.values())}")
    if path.exists() and not (path.is_dir() and (_has_marker(path) or not any(path.iterdir()))):
        raise problem(
            path, "exists and is no directory of a biLM, so it is not replaced", "Remove it first"
        )
    if lm.config.n_words is not None and lm.vocabulary is None:
        what = "a model that reads whole words is stored with its vocabulary, and this one has none"
        raise problem(path, what, "Call set_vocabulary first")
    number_type = getattr(torch, dtype)
    network, softmax = tensors_to_store(path, lm, number_type)
    text = _card(path, lm, network, dtype, card)
    own_files = FILES if text is None else FILES | {CARD}
    with new_directory(path, own_files, CONFIG) as aside:
        if text is not None:
            (aside / CARD).write_text(text, "utf8", newline="")
        write_config(aside / CONFIG, config_to_store(lm), lm.task_mixes)
        written = {
            "config": values_digest(read_json(aside / CONFIG)),
            "vocabulary": words_digest(lm.vocabulary),
        }
        for file, tensors in ((WEIGHTS, network), (SOFTMAX, softmax)):
            if tensors:
                converted = {
                    name: tensor.detach().to("cpu", number_type).contiguous()
                    for name, tensor in tensors.items()
                }
                if file == WEIGHTS:
                    written["network"] = tensors_digest(converted)
                try:
                    save_file(converted, aside / file, metadata={METADATA: json.dumps(written)})
                except SafetensorError as error:
                    raise OSError(str(error)) from error
                # safetensors lets nobody but the owner read what it writes.
                shutil.copymode(aside / CONFIG, aside / file)
        if lm.vocabulary is not None:
            write_vocabulary(aside / VOCABULARY_FILE, lm.vocabulary, error=WeightsError)


FORMAT = Format(
    description=f"a native directory ({CONFIG}, {WEIGHTS})",
    recognise=recognise,
    read=read,
    write=write,
    suffixes=("",),
)


def read_config(path: Path) -> BiLMConfig:
    """Read a `config.json`.

    Args:
        path: The file.

    Returns:
        The config.

    Raises:
        WeightsError: For another kind of file, a newer version, and keys that are missing, unknown
            or invalid.
    """
    values = read_json(path, error=WeightsError)
    if values.pop("format", None) != MARKER:
        raise problem(path, f'is no config of a biLM: expected "format": {MARKER!r}')
    version = values.pop("version", None)
    if version != VERSION:
        what = f"has version {version!r}, this spacy-elmo reads version {VERSION}"
        raise problem(path, what, "Upgrade spacy-elmo: pip install -U spacy-elmo")
    values.pop(TASK_MIXES, None)
    return config_of(path, values)


def write_config(path: Path, config: BiLMConfig, mixes: Sequence[TaskMix] = ()) -> None:
    """Write a `config.json`."""
    optional = {TASK_MIXES: [mix.to_dict() for mix in mixes]} if mixes else {}
    write_json(path, {"format": MARKER, "version": VERSION, **config.to_dict(), **optional})


def _card(
    path: Path, lm: BiLM, network: Mapping[str, Tensor], dtype: str, is_wanted: bool
) -> str | None:
    """The card that a directory gets with weights; None: what is there, or none, stays."""
    file = path / CARD
    if not file.is_file():
        return stub(lm, dtype) if is_wanted and not os.path.lexists(file) else None
    try:
        text = file.read_bytes().decode("utf8")
    except ValueError:  # no card of ours, and nothing to put a note into
        return None
    if is_stub(text):
        return stub(lm, dtype)
    names = [name for name, _ in network_tensors(lm.config)]
    try:
        is_same = is_same_network(stored_tensors(path / WEIGHTS), network, names)
    except (SafetensorError, OSError):
        is_same = False
    return None if is_same else replaced(text, lm)


def _task_mixes(path: Path, config: BiLMConfig) -> tuple[TaskMix, ...]:
    values = read_json(path, error=WeightsError)
    try:
        return task_mixes_of(values.get(TASK_MIXES), config.n_outputs)
    except ValueError as error:
        raise problem(path, str(error), "Correct the config, or get the weights anew") from error


def _has_marker(path: Path) -> bool:
    try:
        config = path / CONFIG
        return config.is_file() and read_json(config).get("format") == MARKER
    except ValueError:
        return False


def _vocabulary(path: Path, config: BiLMConfig) -> tuple[list[str] | None, int]:
    """The vocabulary, if there is one, and the number of words that there must be."""
    n_words, rows_of = config.n_words, f"the word embedding of {path / CONFIG}"
    if n_words is None and (path / SOFTMAX).is_file():
        with _errors(path / SOFTMAX), safe_open(path / SOFTMAX, "numpy") as file:
            n_words, rows_of = file.get_slice("softmax.weight").get_shape()[0], SOFTMAX
    if (path / VOCABULARY_FILE).is_file():
        words = read_vocabulary(
            path / VOCABULARY_FILE,
            n_words=n_words,
            rows_of=rows_of,
            special="anywhere" if config.needs_special_words else None,
            error=WeightsError,
        )
        return words, len(words)
    if config.n_words is not None:
        what = f"{VOCABULARY_FILE} is missing, and this model reads whole words"
        raise problem(path, what, "Get the weights anew")
    return None, n_words or 0


def _check_belong(path: Path, vocabulary: list[str] | None) -> None:
    """Compare the files of a directory with those that the tensors were written with."""
    weights = path / WEIGHTS
    written = _metadata(weights)
    config = values_digest(read_json(path / CONFIG, error=WeightsError))
    check_belongs(path / CONFIG, weights, config, written.get("config"), source=path)
    words = words_digest(vocabulary)
    check_belongs(path / VOCABULARY_FILE, weights, words, written.get("vocabulary"), source=path)
    softmax = path / SOFTMAX
    if softmax.is_file():
        network = _metadata(softmax).get("network", "")
        check_belongs(softmax, weights, network, written.get("network", ""), source=None)


def _metadata(path: Path) -> Mapping[str, str]:
    with _errors(path), safe_open(path, "numpy") as file:
        text = (file.metadata() or {}).get(METADATA, "{}")
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        what = f"is damaged: its metadata {METADATA!r} are no JSON object"
        raise problem(path, what, "Get the weights anew") from error


def _read(
    path: Path,
    required: Iterable[tuple[str, Shape]],
    optional: Mapping[str, Shape],
    device: str | torch.device,
) -> dict[str, Tensor]:
    with _errors(path):
        return read_tensors(
            path,
            stored_tensors(path),
            (Place(name, shape, name) for name, shape in required),
            (Place(name, shape, name) for name, shape in optional.items()),
            dtypes=_DTYPES.values(),
            described_by=CONFIG,
            device=device,
        )


def stored_tensors(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file by name, to be read a block at a time."""
    stored = {}
    with safe_open(path, "numpy") as file:
        for name in file.keys():  # noqa: SIM118 (no mapping)
            part = file.get_slice(name)
            dtype = _DTYPES.get(part.get_dtype(), part.get_dtype())
            stored[name] = Stored(tuple(part.get_shape()), dtype, partial(_read_rows, path, name))
    return stored


def _read_rows(path: Path, name: str, start: int, stop: int) -> Array:
    # Opened for each block: what was read stays mapped into memory until the file is closed, and
    # would count twice, in the file and in the parameter.
    with safe_open(path, "numpy") as file:
        return file.get_slice(name)[start:stop]


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise problem(path, "cannot be read: it is no file", "Get the weights anew")
    try:
        yield
    except (SafetensorError, OSError) as error:
        what = f"is missing, or is no safetensors file, or is damaged or truncated ({error})"
        raise problem(path, what, "Get the weights anew") from error
