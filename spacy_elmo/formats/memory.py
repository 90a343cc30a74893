"""A model of tensors that are in memory already: the checks are those of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.errors import problem
from spacy_elmo.formats.assemble import assemble, config_of, optional_tensors
from spacy_elmo.formats.blocks import Stored, read_tensors
from spacy_elmo.formats.tensors import Place, network_tensors


def from_tensors(source: Path, config: Any, vocabulary: Any, tensors: Mapping[str, Tensor]) -> BiLM:
    """Make a model of what was taken from some bytes.

    Args:
        source: Where it comes from, for messages.
        config: Values of a config.
        vocabulary: The words, or None.
        tensors: By our names, on the CPU.

    Returns:
        The model.

    Raises:
        WeightsError: If anything about them is wrong.
    """
    if not isinstance(config, Mapping):
        raise problem(source, f"the config is {config!r}, expected an object of keys")
    made = config_of(source, config)
    n_words = len(tensors["softmax.weight"]) if "softmax.weight" in tensors else 0
    stored = {
        name: Stored(
            tuple(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            lambda start, stop, tensor=tensor: tensor[start:stop].numpy(),  # type: ignore[misc]
        )
        for name, tensor in tensors.items()
    }
    read = read_tensors(
        source,
        stored,
        (Place(name, shape, name) for name, shape in network_tensors(made)),
        (Place(name, shape, name) for name, shape in optional_tensors(n_words, made).items()),
        dtypes=("float16", "float32"),
        described_by="the config",
        device="cpu",
    )
    return assemble(source, made, vocabulary, read)
