"""The tensors of ELMoForManyLangs, turned into ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.lstm import FORGET_BIAS
from spacy_elmo.errors import problem
from spacy_elmo.formats.gates import gate_rows
from spacy_elmo.types import Shape


class Taken:
    """The tensors of a file, taken out one by one, so that none is forgotten and none kept twice.

    Args:
        path: The file, for messages.
        tensors: By name; empty in the end.
        described_by: The file that says which there must be.
    """

    def __init__(self, path: Path, tensors: dict[str, Tensor], described_by: Path) -> None:
        self.path = path
        self.tensors = tensors
        self.advice = f"The file is damaged, or {described_by} describes another network"

    def take(self, name: str, *shape: int) -> Tensor:
        """Take a tensor, float32.

        Args:
            name: Its name.
            shape: What its shape must be; -1 for any number.

        Raises:
            WeightsError: If it is missing, or has another shape or type, or values that are not
                finite.
        """
        tensor = self.tensors.pop(name, None)
        if tensor is None:
            what = f"is missing, expected with shape {_shown(shape)}"
            raise problem(self.path, what, self.advice, tensor=name)
        found = tuple(tensor.shape)
        if not _fits(found, shape):
            what = f"has shape {found}, expected {_shown(shape)}"
            raise problem(self.path, what, self.advice, tensor=name)
        if tensor.dtype not in (torch.float16, torch.float32, torch.float64):
            what = f"holds {str(tensor.dtype).removeprefix('torch.')} values, expected float32"
            raise problem(self.path, what, "Convert it", tensor=name)
        values = tensor.detach().to(torch.float32)
        if not torch.isfinite(values).all():
            what = "holds NaN or infinite values"
            raise problem(self.path, what, "Get the weights anew", tensor=name)
        return values

    def finish(self) -> None:
        """Make sure that nothing is left.

        Raises:
            WeightsError: For the first tensor that nobody took.
        """
        for name, tensor in sorted(self.tensors.items()):
            what = f"is unknown (shape {tuple(tensor.shape)})"
            raise problem(self.path, what, self.advice, tensor=name)


def token_layer(
    taken: Taken,
    config: BiLMConfig,
    words: tuple[Path, Sequence[int]] | None,
    characters: tuple[Path, Sequence[int]] | None,
) -> dict[str, Tensor]:
    """The tensors of the token layer, by our names.

    Args:
        taken: Those of `token_embedder.pkl`.
        config: Sizes.
        words: The dictionary of words, and the row in the file of each of our rows.
        characters: The same for characters.

    Raises:
        WeightsError: If one of them is missing, unknown or wrong.
    """
    many = config.many_langs
    assert many is not None
    ours = {}
    if words is not None:
        name = "word_emb_layer.embedding.weight"
        ours["embedding"] = _rows(taken, name, many.word_dim, *words)
    if characters is not None:
        name = "char_emb_layer.embedding.weight"
        ours["char_embedding"] = _rows(taken, name, many.char_dim, *characters)
    for i, (width, number) in enumerate(many.filters):
        key = f"convolutions.{i}"
        ours[f"{key}.weight"] = taken.take(f"{key}.weight", number, many.char_dim, width)
        ours[f"{key}.bias"] = taken.take(f"{key}.bias", number)
    n_filters = many.n_filters
    for k in range(many.n_highway):
        # Its gate opens the way of what comes in, ours that of the transform: 1 - s(x) is s(-x).
        for part, shape in (("weight", (2 * n_filters, n_filters)), ("bias", (2 * n_filters,))):
            both = taken.take(f"highways._layers.{k}.{part}", *shape)
            ours[f"highways.{k}.transform.{part}"] = both[:n_filters].clone()
            ours[f"highways.{k}.gate.{part}"] = -both[n_filters:]
    width = config.projection_dim
    ours["projection.weight"] = taken.take("projection.weight", width, many.n_features)
    ours["projection.bias"] = taken.take("projection.bias", width)
    taken.finish()
    return {f"token_encoder.{name}": tensor.contiguous() for name, tensor in ours.items()}


def lstm_layers(taken: Taken, config: BiLMConfig) -> dict[str, Tensor]:
    """The tensors of the LSTM layers, by our names.

    Args:
        taken: Those of `encoder.pkl`.
        config: Sizes.

    Raises:
        WeightsError: If one of them is missing, unknown or wrong.
    """
    cells, width = config.lstm_dim, config.projection_dim
    ours = {}
    for direction in config.directions:
        for k in range(config.n_layers):
            theirs = f"{direction}_layer_{k}"
            inputs = taken.take(f"{theirs}.input_linearity.weight", 4 * cells, width)
            states = taken.take(f"{theirs}.state_linearity.weight", 4 * cells, width)
            bias = _ordered(taken.take(f"{theirs}.state_linearity.bias", 4 * cells))
            # Ours comes without the constant, which is added when it is used.
            bias[cells : 2 * cells] -= FORGET_BIAS
            layer = f"{direction}_layers.{k}"
            ours[f"{layer}.weight"] = _ordered(torch.cat([inputs, states], dim=1))
            ours[f"{layer}.bias"] = bias
            projection = taken.take(f"{theirs}.state_projection.weight", width, cells)
            ours[f"{layer}.projection"] = projection.contiguous()
    taken.finish()
    return ours


def _rows(taken: Taken, name: str, width: int, path: Path, rows: Sequence[int]) -> Tensor:
    table = taken.take(name, -1, width)
    if max(rows) >= len(table):
        what = f"has {len(table)} rows, but {path} names row {max(rows)}"
        raise problem(taken.path, what, "Use the files that belong together", tensor=name)
    return table[torch.tensor(rows)]


def _ordered(rows: Tensor) -> Tensor:
    """With the gates in our order; a copy."""
    return rows[gate_rows(0, len(rows), len(rows))]


def _fits(found: Shape, shape: Shape) -> bool:
    """Whether a shape is the one expected, where -1 is any number."""
    return len(found) == len(shape) and all(
        expected in (-1, size) for size, expected in zip(found, shape, strict=True)
    )


def _shown(shape: Shape) -> str:
    sizes = ", ".join("any" if size < 0 else str(size) for size in shape)
    return f"({sizes},)" if len(shape) == 1 else f"({sizes})"
