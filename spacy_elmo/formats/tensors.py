"""Tensors of a biLM as files hold them: names, shapes, arrangement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.config import BiLMConfig, CharCNNConfig
from spacy_elmo.bilm.many_langs import MARKS
from spacy_elmo.bilm.many_langs_config import ManyLangsConfig
from spacy_elmo.types import Shape

# Our gate order is input, forget, output, cell input (i, f, o, g); TensorFlow's is i, g, f, o.
_OURS_FROM_TF = (0, 2, 3, 1)
_TF_FROM_OURS = (0, 3, 1, 2)


def network_tensors(config: BiLMConfig) -> Iterator[tuple[str, Shape]]:
    """Names and shapes of the tensors of a network."""
    cells, width = config.lstm_dim, config.projection_dim
    cnn, many_langs = config.char_cnn, config.many_langs
    if many_langs is not None:
        if config.n_words is not None:
            yield "token_encoder.embedding", (config.n_words, many_langs.word_dim)
        if many_langs.char_dim:
            rows = len(MARKS) + len(many_langs.characters)
            yield "token_encoder.char_embedding", (rows, many_langs.char_dim)
        yield from _cnn_tensors(many_langs, many_langs.char_dim)
        yield from _projection_tensors(width, many_langs.n_features)
    elif cnn is not None:
        yield "token_encoder.char_embedding", (cnn.n_characters, cnn.embedding_dim)
        yield from _cnn_tensors(cnn, cnn.embedding_dim)
        if cnn.projection:
            yield from _projection_tensors(width, cnn.n_filters)
    else:
        assert config.n_words is not None
        yield "token_encoder.embedding", (config.n_words, width)
    for direction in config.directions:
        for k in range(config.n_layers):
            yield f"{direction}_layers.{k}.weight", (4 * cells, 2 * width)
            yield f"{direction}_layers.{k}.bias", (4 * cells,)
            if config.lstm_projection:
                yield f"{direction}_layers.{k}.projection", (width, cells)


def _cnn_tensors(
    cnn: CharCNNConfig | ManyLangsConfig, embedding_dim: int
) -> Iterator[tuple[str, Shape]]:
    for i, (positions, number) in enumerate(cnn.filters):
        yield f"token_encoder.convolutions.{i}.weight", (number, embedding_dim, positions)
        yield f"token_encoder.convolutions.{i}.bias", (number,)
    features = cnn.n_filters
    for k in range(cnn.n_highway):
        for part in ("gate", "transform"):
            yield f"token_encoder.highways.{k}.{part}.weight", (features, features)
            yield f"token_encoder.highways.{k}.{part}.bias", (features,)


def _projection_tensors(width: int, features: int) -> Iterator[tuple[str, Shape]]:
    yield "token_encoder.projection.weight", (width, features)
    yield "token_encoder.projection.bias", (width,)


def state_tensors(config: BiLMConfig) -> dict[str, Shape]:
    """Names and shapes of the warm state."""
    states = (config.n_layers, config.n_directions)
    return {
        "initial_h": (*states, config.projection_dim),
        "initial_c": (*states, config.lstm_dim),
    }


def mean_tensors(config: BiLMConfig) -> dict[str, Shape]:
    """Name and shape of the mean of each layer, for centred similarity."""
    return {"mean_layers": (config.n_outputs, config.width)}


def softmax_tensors(n_words: int, config: BiLMConfig) -> dict[str, Shape]:
    """Names and shapes of an output layer over `n_words` words."""
    return {"softmax.weight": (n_words, config.projection_dim), "softmax.bias": (n_words,)}


@dataclass(frozen=True)
class Layout:
    """How a file arranges a tensor.

    Attributes:
        view: From our tensor to a view of it that has the axes of the file's.
        gates: Whether the file's last axis holds the four gates in TensorFlow's order.
    """

    view: Callable[[Tensor], Tensor]
    gates: bool = False

    def shape(self, shape: Shape) -> Shape:
        """Shape in the file of a tensor that has `shape` in the network."""
        return tuple(self.view(torch.empty(shape, device="meta")).shape)

    def from_file(self, rows: Tensor) -> Tensor:
        """Rows as the file holds them, with the gates in our order."""
        return _reorder(rows, _OURS_FROM_TF) if self.gates else rows

    def to_file(self, rows: Tensor) -> Tensor:
        """The inverse of `from_file`."""
        return _reorder(rows, _TF_FROM_OURS) if self.gates else rows


AS_IS = Layout(lambda tensor: tensor)


@dataclass(frozen=True)
class Place:
    """Where a file holds a tensor.

    Attributes:
        name: Our name.
        shape: Our shape.
        key: The name in the file.
        layout: The arrangement there.
    """

    name: str
    shape: Shape
    key: str
    layout: Layout = AS_IS

    @property
    def shape_in_file(self) -> Shape:
        """The shape in the file."""
        return self.layout.shape(self.shape)


def _reorder(rows: Tensor, order: tuple[int, ...]) -> Tensor:
    gates = torch.tensor_split(rows, 4, dim=-1)
    return torch.cat([gates[gate] for gate in order], dim=-1)
