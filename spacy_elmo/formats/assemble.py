"""From tensors to a model and back, without a copy and without a random start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import TOKEN_LAYERS, BiLMConfig
from spacy_elmo.bilm.softmax import Softmax
from spacy_elmo.errors import WeightsError, problem
from spacy_elmo.formats.blocks import check_finite
from spacy_elmo.formats.tensors import (
    mean_tensors,
    network_tensors,
    softmax_tensors,
    state_tensors,
)
from spacy_elmo.types import Shape
from spacy_elmo.vocabulary import Special, check_vocabulary


def config_of(path: Path, values: Mapping[str, Any]) -> BiLMConfig:
    """A config of values that were read.

    Args:
        path: Where they come from, for messages.
        values: By the names of its fields, all of which must be there.

    Raises:
        WeightsError: For keys that are missing, unknown or invalid.
    """
    try:
        config = BiLMConfig.from_dict(values)
    except ValueError as error:
        raise problem(path, str(error), "Correct the config, or get the weights anew") from error
    # A missing key is no choice of the default: it would change the vectors without a word.
    full = config.to_dict()
    parts = [(values.get(name) or {}, full.get(name) or {}) for name in TOKEN_LAYERS]
    for table, whole in ((values, full), *parts):
        missing = sorted(whole.keys() - table.keys())
        if missing:
            raise problem(path, f"the key {missing[0]!r} is missing", "Get the weights anew")
    return config


def optional_tensors(n_words: int, config: BiLMConfig) -> dict[str, Shape]:
    """Names and shapes of what a model may have beside its network.

    Args:
        n_words: Rows of the softmax, if it has one.
        config: Sizes of the network.
    """
    return {
        **state_tensors(config),
        **mean_tensors(config),
        **softmax_tensors(n_words, config),
    }


def assemble(
    path: Path,
    config: BiLMConfig,
    vocabulary: Sequence[str] | None,
    tensors: Mapping[str, Tensor],
) -> BiLM:
    """Make a model of tensors, which become its parameters.

    Args:
        path: Where they come from, for messages.
        config: Sizes of the network.
        vocabulary: Its words, if there are any.
        tensors: By our names, shapes already checked.

    Returns:
        The model.

    Raises:
        WeightsError: For half a warm state, half a softmax, or a vocabulary that the model cannot
            work with.
    """
    _check_words(path, config, vocabulary, tensors)
    for pair in (("initial_h", "initial_c"), ("softmax.weight", "softmax.bias")):
        there = [name for name in pair if name in tensors]
        if len(there) == 1:
            raise problem(path, f"holds {there[0]} without its partner: expected both of {pair}")
    if config.initial_state == "warm" and "initial_h" not in tensors:
        advice = "Set initial_state to 'zero', or get the weights anew"
        raise problem(path, "says that its initial state is warm, but holds no state", advice)
    try:
        with torch.device("meta"):  # shapes only: no memory, no random numbers
            lm = BiLM(config, vocabulary)
            if "softmax.weight" in tensors:
                lm.softmax = Softmax(len(tensors["softmax.weight"]), config.projection_dim)
    except ValueError as error:
        raise problem(path, str(error)) from error
    for name in (*state_tensors(config), *mean_tensors(config)):
        setattr(lm, name, tensors.get(name))
    lm.load_state_dict(dict(tensors), assign=True)
    return lm


def _check_words(
    path: Path, config: BiLMConfig, vocabulary: object, tensors: Mapping[str, Tensor]
) -> None:
    if vocabulary is None:
        return
    if not isinstance(vocabulary, list) or not all(isinstance(word, str) for word in vocabulary):
        raise problem(path, "the vocabulary is no list of words", "Get the weights anew")
    special: Special | None = "anywhere" if config.needs_special_words else None
    check_vocabulary(path, vocabulary, special=special, error=WeightsError)
    for name in ("token_encoder.embedding", "softmax.weight"):
        if name in tensors and len(tensors[name]) != len(vocabulary):
            what = f"has {len(tensors[name])} rows, the vocabulary {len(vocabulary)} words"
            raise problem(path, what, "Get the weights anew", tensor=name)


def config_to_store(lm: BiLM) -> BiLMConfig:
    """The config that goes into a file.

    Its initial state is the model's present one, unless that is "carry", which no file can hold.
    """
    state = lm.initial_state
    return lm.config if state == "carry" else replace(lm.config, initial_state=state)


def tensors_to_store(
    path: Path, lm: BiLM, dtype: torch.dtype
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What a file holds of a model, by our names.

    Args:
        path: Where they go, for messages.
        lm: The model.
        dtype: The number type they will have there.

    Returns:
        The network with its state and mean, and the softmax.

    Raises:
        WeightsError: For a model that could not be read back: values that are not finite in
            `dtype`, or a vocabulary of another length than the softmax.
    """
    config = lm.config
    if lm.softmax is not None and lm.vocabulary is not None:
        rows, words = len(lm.softmax.weight), len(lm.vocabulary)
        if rows != words:
            what = f"the vocabulary has {words} words, the softmax {rows} rows"
            raise problem(path, what, "Nothing was written")
    tensors = lm.state_dict()
    names = [name for name, _ in network_tensors(config)]
    names += [name for name in (*state_tensors(config), *mean_tensors(config)) if name in tensors]
    network = {name: tensors[name] for name in names}
    softmax = {name: tensor for name, tensor in tensors.items() if name.startswith("softmax.")}
    for name, tensor in (network | softmax).items():
        check_finite(path, name, tensor, dtype)
    return network, softmax
