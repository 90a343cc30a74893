"""Names, shapes and arrangement of a biLM's tensors in AllenNLP.

Differences to ours:

- the table of characters begins with a row for padding, that only masked tokens have;
- a highway is one matrix: rows of the transform, then rows of a gate of the opposite sign;
- the gates of an LSTM stand in the order input, forget, cell input, output, the bias of the forget
  gate has its constant 1 added, and weights of the input and the recurrence are two matrices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.lstm import FORGET_BIAS
from spacy_elmo.errors import problem
from spacy_elmo.formats.blocks import Stored
from spacy_elmo.formats.gates import gate_rows
from spacy_elmo.formats.tensors import Place, network_tensors
from spacy_elmo.types import Array, Shape

_ENCODER, _LAYERS = "_token_embedder.", "_elmo_lstm."
_CACHED = "_word_embedding.weight"  # token vectors of known words, computed from the rest
_FLOATS = (torch.float16, torch.float32, torch.float64)
_ADVICE = "The file is damaged, or of another network"


def config_of_shapes(path: Path, prefix: str, tensors: Mapping[str, Tensor]) -> BiLMConfig:
    """The sizes of a biLM by the shapes of its tensors; what shapes do not say is the default.

    Args:
        path: The state dict, for messages.
        prefix: What the names of the biLM's tensors begin with.
        tensors: The state dict.

    Returns:
        The config: clips, activation and the like are those of the published models.

    Raises:
        WeightsError: For a tensor that is missing or of a shape that does not fit the others.
    """
    shapes = {
        name.removeprefix(prefix): tuple(tensor.shape)
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }

    def shape(name: str, n_axes: int) -> Shape:
        found = shapes.get(name)
        if found is None:
            raise problem(path, "is missing", _ADVICE, tensor=prefix + name)
        if len(found) != n_axes:
            what = f"has shape {found}, expected {n_axes} axes"
            raise problem(path, what, _ADVICE, tensor=prefix + name)
        return found

    def count(pattern: str) -> int:
        found = re.compile(pattern)
        numbers = {int(match[1]) for name in shapes if (match := found.fullmatch(name))}
        return max(numbers, default=-1) + 1

    rows, embedding_dim = shape(f"{_ENCODER}_char_embedding_weights", 2)
    n_filters = min(count(rf"{_ENCODER}char_conv_(\d{{1,4}})\.weight"), len(shapes))
    kernels = [shape(f"{_ENCODER}char_conv_{i}.weight", 3) for i in range(n_filters)]
    highways = count(rf"{_ENCODER}_highways\._layers\.(\d{{1,4}})\.weight")
    n_layers = count(rf"{_LAYERS}forward_layer_(\d{{1,4}})\.input_linearity\.weight")
    width, cells = shape(f"{_LAYERS}forward_layer_0.state_projection.weight", 2)
    values = {
        "lstm_dim": cells,
        "projection_dim": width,
        "n_layers": n_layers,
        "char_cnn": {
            "embedding_dim": embedding_dim,
            "filters": [(positions, number) for number, _, positions in kernels],
            "n_highway": highways,
            "n_characters": rows - 1,
        },
    }
    try:
        config = BiLMConfig.from_dict(values)
    except ValueError as error:
        raise problem(path, f"the shapes of {prefix}* make no network: {error}", _ADVICE) from error
    _check_shapes(path, prefix, shapes, config)
    return config


def _check_shapes(path: Path, prefix: str, shapes: Mapping[str, Shape], config: BiLMConfig) -> None:
    expected = expected_shapes(config)
    for name, shape in expected.items():
        if name not in shapes:
            what = f"is missing, expected with shape {shape}"
            raise problem(path, what, _ADVICE, tensor=prefix + name)
        if shapes[name] != shape:
            what = f"has shape {shapes[name]}, expected {shape}"
            raise problem(path, what, _ADVICE, tensor=prefix + name)
    for name in sorted(shapes.keys() - expected.keys() - {_CACHED}):
        if name.startswith((_ENCODER, _LAYERS)):
            raise problem(path, "is unknown", _ADVICE, tensor=prefix + name)


def expected_shapes(config: BiLMConfig) -> dict[str, Shape]:
    """Names (after the prefix) and shapes of the tensors of a biLM in AllenNLP."""
    cnn, cells, width = config.char_cnn, config.lstm_dim, config.projection_dim
    assert cnn is not None
    features = cnn.n_filters
    shapes: dict[str, Shape] = {
        f"{_ENCODER}_char_embedding_weights": (cnn.n_characters + 1, cnn.embedding_dim)
    }
    for i, (positions, number) in enumerate(cnn.filters):
        shapes[f"{_ENCODER}char_conv_{i}.weight"] = (number, cnn.embedding_dim, positions)
        shapes[f"{_ENCODER}char_conv_{i}.bias"] = (number,)
    for k in range(cnn.n_highway):
        shapes[f"{_ENCODER}_highways._layers.{k}.weight"] = (2 * features, features)
        shapes[f"{_ENCODER}_highways._layers.{k}.bias"] = (2 * features,)
    shapes[f"{_ENCODER}_projection.weight"] = (width, features)
    shapes[f"{_ENCODER}_projection.bias"] = (width,)
    for direction in config.directions:
        for layer in range(config.n_layers):
            name = f"{_LAYERS}{direction}_layer_{layer}."
            shapes[f"{name}input_linearity.weight"] = (4 * cells, width)
            shapes[f"{name}state_linearity.weight"] = (4 * cells, width)
            shapes[f"{name}state_linearity.bias"] = (4 * cells,)
            shapes[f"{name}state_projection.weight"] = (width, cells)
    return shapes


def translate(
    prefix: str, tensors: Mapping[str, Tensor], config: BiLMConfig
) -> tuple[dict[str, Stored], list[Place]]:
    """The tensors of a network, arranged as ours are, and where each is.

    Args:
        prefix: What the names of the biLM's tensors begin with.
        tensors: The state dict, its shapes checked.
        config: The sizes.

    Returns:
        What `read_tensors` takes: tensors to be read a block at a time, and their places.
    """
    stored, places = {}, []
    for name, shape in network_tensors(config):
        key, dtype, read = _source(prefix, tensors, name)
        stored[key] = Stored(shape, str(dtype).removeprefix("torch."), read)
        places.append(Place(name, shape, key))
    return stored, places


Read = Callable[[int, int], Array]


def _source(prefix: str, tensors: Mapping[str, Tensor], name: str) -> tuple[str, torch.dtype, Read]:
    """Name in AllenNLP, number type, and what reads rows of one of our tensors."""
    parts = name.split(".")
    if parts[0] != "token_encoder":
        direction, number, kind = parts[0].removesuffix("_layers"), parts[1], parts[2]
        return _lstm(f"{prefix}{_LAYERS}{direction}_layer_{number}.", tensors, kind)
    encoder = prefix + _ENCODER
    if parts[1] == "char_embedding":
        key = f"{encoder}_char_embedding_weights"
        return key, tensors[key].dtype, _rows(tensors[key][1:])
    if parts[1] == "highways":
        return _highway(f"{encoder}_highways._layers.{parts[2]}.{parts[4]}", tensors, parts[3])
    if parts[1] == "convolutions":
        key = f"{encoder}char_conv_{parts[2]}.{parts[3]}"
    else:
        key = f"{encoder}_projection.{parts[2]}"
    return key, tensors[key].dtype, _rows(tensors[key])


def _highway(key: str, tensors: Mapping[str, Tensor], kind: str) -> tuple[str, torch.dtype, Read]:
    tensor = tensors[key]
    half = len(tensor) // 2
    if kind == "transform":
        return f"{key}[:{half}]", tensor.dtype, _rows(tensor[:half])
    return f"{key}[{half}:]", tensor.dtype, _rows(tensor[half:], sign=-1)


def _lstm(name: str, tensors: Mapping[str, Tensor], kind: str) -> tuple[str, torch.dtype, Read]:
    if kind == "projection":
        key = f"{name}state_projection.weight"
        return key, tensors[key].dtype, _rows(tensors[key])
    if kind == "bias":
        key = f"{name}state_linearity.bias"
        return key, tensors[key].dtype, _bias(tensors[key])
    keys = f"{name}input_linearity.weight", f"{name}state_linearity.weight"
    both = [tensors[key] for key in keys]
    for key in keys:
        if tensors[key].dtype not in _FLOATS:  # whoever compares number types will say so
            return key, tensors[key].dtype, _rows(tensors[key])

    def read(start: int, stop: int) -> Array:
        rows = gate_rows(start, stop, len(both[0]))
        return torch.cat([part[rows] for part in both], dim=1).numpy()

    return keys[0], torch.promote_types(both[0].dtype, both[1].dtype), read


def _bias(tensor: Tensor) -> Read:
    """A bias without the constant, which is added when it is used; float32 at least."""

    def read(start: int, stop: int) -> Array:
        # Only now, as number types that are not read may have no arithmetic.
        values = tensor.to(torch.promote_types(tensor.dtype, torch.float32), copy=True)
        cells = len(values) // 4
        values[cells : 2 * cells] -= FORGET_BIAS
        return values[gate_rows(start, stop, len(values))].numpy()

    return read


def _rows(tensor: Tensor, sign: int = 1) -> Read:
    def read(start: int, stop: int) -> Array:
        rows = tensor[start:stop]
        return (-rows if sign < 0 else rows).numpy()

    return read
