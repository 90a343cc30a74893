"""The mixes of the layers that a task's model has learned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from spacy_elmo.bilm.task_mix import TaskMix
from spacy_elmo.errors import problem
from spacy_elmo.fields import is_finite

_NAME = re.compile(r"scalar_mix_(\d+)\.(gamma|scalar_parameters\.(\d+))")


def read_mixes(
    path: Path, prefix: str, tensors: Mapping[str, Tensor], n_layers: int, *, layer_norm: bool
) -> tuple[TaskMix, ...]:
    """The mixes of an ELMo, in the order of its outputs.

    Args:
        path: The state dict, for messages.
        prefix: What their names begin with.
        tensors: The state dict.
        n_layers: Layers that each must mix.
        layer_norm: Whether the model's config says that layers are normalised.

    Returns:
        The mixes, none for a biLM without an ELMo around it.

    Raises:
        WeightsError: For half a mix, one of other layers, and values that are not finite.
    """
    found: dict[int, dict[str, float]] = {}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if match is None:
            continue
        value = tensor.item() if tensor.numel() == 1 else float("nan")
        if not is_finite(value):
            what = f"is no finite number (shape {tuple(tensor.shape)})"
            raise problem(path, what, "Get the weights anew", tensor=name)
        found.setdefault(int(match[1]), {})[match[3] or "gamma"] = value
    mixes = []
    for number, values in sorted(found.items()):
        if values.keys() != {"gamma", *map(str, range(n_layers))}:
            what = f"has {sorted(values)}, expected gamma and the numbers of {n_layers} layers"
            name = f"{prefix}scalar_mix_{number}"
            raise problem(path, what, "Get the weights anew", tensor=name)
        logarithms = torch.tensor([values[str(k)] for k in range(n_layers)], dtype=torch.float64)
        shares = torch.softmax(logarithms, 0).tolist()
        mixes.append(TaskMix(tuple(shares), values["gamma"], layer_norm))
    return tuple(mixes)
