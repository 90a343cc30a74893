"""HDF5 weights of bilm-tf and AllenNLP, with an options file beside them.

Files written here are read by the original implementations. What they have no place for (a warm
state, the mean of the layers) is in a group of our own, where they do not look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray

from spacy_elmo.bilm.config import STORED_INITIAL_STATES, BiLMConfig
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.files import make_room, new_file, write_json
from spacy_elmo.formats.assemble import assemble, config_to_store, tensors_to_store
from spacy_elmo.formats.blocks import Stored, file_rows, read_tensors
from spacy_elmo.formats.format import Format
from spacy_elmo.formats.hdf5.companions import SUFFIXES, beside, companion, only, weight_files
from spacy_elmo.formats.hdf5.names import OWN_GROUP, STANDARD
from spacy_elmo.formats.hdf5.options import read_config, to_options
from spacy_elmo.formats.tensors import mean_tensors, network_tensors, softmax_tensors, state_tensors
from spacy_elmo.vocabulary import read_vocabulary, write_vocabulary

if TYPE_CHECKING:
    from spacy_elmo.bilm.bilm import BiLM

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Bytes of an HDF5 file beside its numbers: more than names and shapes ever took.
_OVERHEAD = 1 << 18
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
    """
    weights = only(path, "weights", weight_files(path)) if path.is_dir() else path
    options = options or beside(weights, "options", ".json")
    if options is None:
        what = "has no options file (options.json or *_options.json) beside it"
        raise problem(weights, what, "Put it there, or give its path as `options`")
    h5py = _h5py(weights)
    with _errors(weights):
        file = h5py.File(weights, "r")
    with file:
        with _errors(weights):
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


def write(lm: BiLM, path: Path, *, dtype: str = "float32") -> None:
    """Write an HDF5 file with its options file, and its vocabulary if there is one. See `Writer`.

    Each of the files appears complete or not at all, the weights last. `x.hdf5` gets
    `x_options.json` and `x_vocab.txt`; so does `x_weights.hdf5`, as published files are named.

    Raises WeightsError for float16, which the original implementations do not expect, and for
    weights that are not finite.
    """
    if dtype != "float32":
        what = f"HDF5 weights are written as float32, not as {dtype}"
        raise problem(path, what, "Leave out `dtype`, or save to a native directory")
    h5py = _h5py(path)
    network, softmax = tensors_to_store(path, lm, torch.float32)
    tensors = network | softmax
    config = config_to_store(lm)
    with ExitStack() as files:
        # Renamed in the opposite order: the weights come when everything they need is there.
        aside = files.enter_context(new_file(path))
        vocab = companion(path, "vocab", ".txt")
        if lm.vocabulary is not None:
            words = files.enter_context(new_file(vocab))
            write_vocabulary(words, lm.vocabulary, error=WeightsError)
        options = files.enter_context(new_file(companion(path, "options", ".json")))
        write_json(options, to_options(config))
        make_room(aside, sum(4 * tensor.numel() for tensor in tensors.values()) + _OVERHEAD)
        with h5py.File(aside, "w") as file:
            for name, tensor in tensors.items():
                place = STANDARD.place(name, tuple(tensor.shape))
                dataset = file.create_dataset(place.key, place.shape_in_file, dtype="float32")
                for start, stop, rows in file_rows(tensor, place.layout):
                    dataset[start:stop] = rows.numpy()
            if config.initial_state != "zero":
                file.require_group(OWN_GROUP).attrs["initial_state"] = config.initial_state
        if lm.vocabulary is None:
            vocab.unlink(missing_ok=True)  # that of the model before


FORMAT = Format(
    description="an HDF5 file of bilm-tf or AllenNLP (.hdf5, .h5), or a folder that holds one, "
    "with options.json or *_options.json beside it",
    recognise=recognise,
    read=read,
    write=write,
    suffixes=SUFFIXES,
)


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except Exception as error:  # an installation can be broken in many ways
        what = f"is HDF5, which needs the package h5py, and that cannot be imported ({error})"
        raise problem(path, what, "Install it: pip install h5py") from error
    return h5py


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """The errors of h5py made ours. What a damaged file raises depends on where the damage is."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
        what = f"is missing, or is no HDF5 file, or is damaged or truncated ({error})"
        raise problem(path, what, "Get the weights anew") from error


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


def _read_rows(path: Path, dataset: Any, start: int, stop: int) -> NDArray[Any]:
    with _errors(path):
        rows: NDArray[Any] = dataset[start:stop]
        return rows


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
