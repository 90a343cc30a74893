"""A language model as bytes: safetensors, with config and vocabulary beside them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import srsly
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.task_mix import task_mixes_of
from spacy_elmo.errors import problem

_SOURCE = Path("(bytes)")


def bilm_to_bytes(lm: BiLM) -> bytes:
    """The language model as bytes, float32.

    Raises:
        WeightsError: For a model that could not be read back, as when it is saved to a file.
    """
    from spacy_elmo.formats.assemble import config_to_store, tensors_to_store

    network, softmax = tensors_to_store(_SOURCE, lm, torch.float32)
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in (network | softmax).items()
    }
    message: dict[str, Any] = {
        "config": config_to_store(lm).to_dict(),
        "vocabulary": lm.vocabulary,
        "weights": save_tensors(tensors),
    }
    if lm.task_mixes:
        message["task_mixes"] = [mix.to_dict() for mix in lm.task_mixes]
    data: bytes = srsly.msgpack_dumps(message)
    return data


def without_softmax(lm: BiLM) -> BiLM:
    """The same language model without its output layer, and without words only that one needs.

    It shares the weights, and is for saving.
    """
    if lm.softmax is None:
        return lm
    bare = copy.copy(lm)
    # Its own list of modules: the softmax is taken off this one alone.
    bare._modules = dict(lm._modules)
    bare.softmax = None
    if lm.config.n_words is None:
        bare.vocabulary = None
    return bare


def bilm_from_bytes(data: bytes) -> BiLM:
    """The language model that `bilm_to_bytes` wrote, checked as files are.

    Raises:
        WeightsError: For bytes that do not hold one.
    """
    from spacy_elmo.formats.memory import from_tensors

    try:
        message = srsly.msgpack_loads(data)
        config, vocabulary = message["config"], message["vocabulary"]
        tensors = load_tensors(message["weights"])
        lm = from_tensors(_SOURCE, config, vocabulary, tensors)
        lm.task_mixes = task_mixes_of(message.get("task_mixes"), lm.config.n_outputs)
        return lm
    except Exception as error:  # each layer of the bytes has errors of its own
        reason = str(error).removeprefix(f"{_SOURCE}: ")
        what = f"hold no language model of this package: {reason}"
        raise problem(_SOURCE, what, "Give what to_bytes gave") from error
