"""Writing HDF5 weights that the original implementations read, with their options file."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import OPTIONAL
from spacy_elmo.errors import ElmoError, WeightsError, problem
from spacy_elmo.files import make_room, new_file, read_json, write_json
from spacy_elmo.formats.assemble import config_to_store, tensors_to_store
from spacy_elmo.formats.blocks import file_rows
from spacy_elmo.formats.generation import ABSENT, values_digest, words_digest
from spacy_elmo.formats.hdf5.companions import companion, forget_kept, keep
from spacy_elmo.formats.hdf5.library import import_h5py
from spacy_elmo.formats.hdf5.names import OWN_GROUP, STANDARD, TASK_MIXES
from spacy_elmo.formats.hdf5.options import to_options
from spacy_elmo.vocabulary import read_words, write_vocabulary

# Bytes of an HDF5 file beside its numbers: more than names and shapes ever took.
_OVERHEAD = 1 << 18


def write(lm: BiLM, path: Path, *, dtype: str = "float32") -> None:
    """Write an HDF5 file with its options file, and its vocabulary if there is one. See `Writer`.

    Each of the files appears complete or not at all, the weights last. `x.hdf5` gets
    `x_options.json` and `x_vocab.txt`; so does `x_weights.hdf5`, as published files are named. The
    weights hold the digests of both, and what is replaced of them is kept until the weights are:
    whoever reads gets the old model or the new one, wherever a writer dies.

    Args:
        lm: The model.
        path: The HDF5 file.
        dtype: "float32".

    Raises:
        WeightsError: For float16, which the original implementations do not expect, for weights
            that are not finite, and for a model of ELMoForManyLangs.
    """
    if dtype != "float32":
        what = f"HDF5 weights are written as float32, not as {dtype}"
        raise problem(path, what, "Leave out `dtype`, or save to a native directory")
    if lm.config.many_langs is not None:
        what = "cannot be written: HDF5 has no form for the token layer of ELMoForManyLangs"
        raise problem(path, what, "Save to a native directory")
    vocab, options = companion(path, "vocab", ".txt"), companion(path, "options", ".json")
    for file in (path, vocab, options):
        if file.is_dir():
            raise problem(file, "is a directory, expected a file name", "Choose another name")
    h5py = import_h5py(path)
    network, softmax = tensors_to_store(path, lm, torch.float32)
    tensors = network | softmax
    config = config_to_store(lm)
    described = to_options(config)
    written = {"options": values_digest(described), "vocabulary": words_digest(lm.vocabulary)}
    with ExitStack() as files:
        # Renamed in the opposite order: the weights come when everything they need is there.
        aside = files.enter_context(new_file(path))
        if lm.vocabulary is not None:
            words = files.enter_context(new_file(vocab))
            write_vocabulary(words, lm.vocabulary, error=WeightsError)
        write_json(files.enter_context(new_file(options)), described)
        make_room(aside, sum(4 * tensor.numel() for tensor in tensors.values()) + _OVERHEAD)
        with h5py.File(aside, "w") as file:
            for name, tensor in tensors.items():
                place = STANDARD.place(name, tuple(tensor.shape))
                dataset = file.create_dataset(place.key, place.shape_in_file, dtype="float32")
                for start, stop, rows in file_rows(tensor, place.layout):
                    dataset[start:stop] = rows.numpy()
            own = file.require_group(OWN_GROUP).attrs
            own.update(written)
            if config.initial_state != "zero":
                own["initial_state"] = config.initial_state
            if lm.task_mixes:
                own[TASK_MIXES] = json.dumps([mix.to_dict() for mix in lm.task_mixes])
            known = config.to_dict()
            own.update({name: known[name] for name in OPTIONAL if name in known})
        _keep(options, vocab, written)
    if lm.vocabulary is None:
        vocab.unlink(missing_ok=True)  # that of the model before
    for file in (options, vocab):
        forget_kept(file)


def _keep(options: Path, vocab: Path, written: dict[str, str]) -> None:
    """Keep of the files beside the weights what is about to be replaced by something else."""
    try:
        before = {
            options: values_digest(read_json(options)) if options.exists() else "",
            vocab: words_digest(read_words(vocab)) if vocab.exists() else "",
        }
    except ElmoError:
        return  # damaged: no weights belong to them
    for file, new in ((options, written["options"]), (vocab, written["vocabulary"])):
        if before[file] and before[file] != new and new != ABSENT:
            keep(file, before[file])
