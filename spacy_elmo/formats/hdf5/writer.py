"""Writing HDF5 weights that the original implementations read, with their options file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.files import make_room, new_file, write_json
from spacy_elmo.formats.assemble import config_to_store, tensors_to_store
from spacy_elmo.formats.blocks import file_rows
from spacy_elmo.formats.hdf5.companions import companion
from spacy_elmo.formats.hdf5.library import import_h5py
from spacy_elmo.formats.hdf5.names import OWN_GROUP, STANDARD
from spacy_elmo.formats.hdf5.options import to_options
from spacy_elmo.vocabulary import write_vocabulary

# Bytes of an HDF5 file beside its numbers: more than names and shapes ever took.
_OVERHEAD = 1 << 18


def write(lm: BiLM, path: Path, *, dtype: str = "float32") -> None:
    """Write an HDF5 file with its options file, and its vocabulary if there is one. See `Writer`.

    Each of the files appears complete or not at all, the weights last. `x.hdf5` gets
    `x_options.json` and `x_vocab.txt`; so does `x_weights.hdf5`, as published files are named.

    Args:
        lm: The model.
        path: The HDF5 file.
        dtype: "float32".

    Raises:
        WeightsError: For float16, which the original implementations do not expect, and for
            weights that are not finite.
    """
    if dtype != "float32":
        what = f"HDF5 weights are written as float32, not as {dtype}"
        raise problem(path, what, "Leave out `dtype`, or save to a native directory")
    vocab, options = companion(path, "vocab", ".txt"), companion(path, "options", ".json")
    for file in (path, vocab, options):
        if file.is_dir():
            raise problem(file, "is a directory, expected a file name", "Choose another name")
    h5py = import_h5py(path)
    network, softmax = tensors_to_store(path, lm, torch.float32)
    tensors = network | softmax
    config = config_to_store(lm)
    with ExitStack() as files:
        # Renamed in the opposite order: the weights come when everything they need is there.
        aside = files.enter_context(new_file(path))
        if lm.vocabulary is not None:
            words = files.enter_context(new_file(vocab))
            write_vocabulary(words, lm.vocabulary, error=WeightsError)
        write_json(files.enter_context(new_file(options)), to_options(config))
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
