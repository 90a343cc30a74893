"""Weights by their HDF5 dataset names, rewritten as the state dict `spacy_elmo.BiLM` documents.

Written anew here from the documented names and shapes, so that a mistake in the package's own
translation cannot hide. Every step only moves numbers, so it is as good for gradients.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def reorder_gates(columns: Array) -> Array:
    """TensorFlow's i, j, f, o in the last axis as i, f, o, j."""
    i, j, f, o = np.split(columns, 4, axis=-1)
    return np.concatenate([i, f, o, j], axis=-1)


def state_dict(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays by state dict name."""
    tensors: dict[str, Array] = {}
    for name, array in weights.items():
        folder, _, last = name.rpartition("/")
        number = last.rpartition("_")[2]
        if name == "char_embed":
            tensors["token_encoder.char_embedding"] = array
        elif name == "embedding":
            tensors["token_encoder.embedding"] = array
        elif last.startswith("W_cnn_"):
            kernel = array[0].transpose(2, 1, 0)
            tensors[f"token_encoder.convolutions.{number}.weight"] = kernel
        elif last.startswith("b_cnn_"):
            tensors[f"token_encoder.convolutions.{number}.bias"] = array
        elif folder.startswith("CNN_high_"):
            kind, part = last.split("_")
            part = "gate" if part == "carry" else part
            highway = f"token_encoder.highways.{folder.removeprefix('CNN_high_')}"
            tensors |= linear(f"{highway}.{part}", kind, array)
        elif folder == "CNN_proj":
            tensors |= linear("token_encoder.projection", last[0], array)
        else:
            match = re.fullmatch(r"RNN_([01])/RNN/MultiRNNCell/Cell(\d+)/LSTMCell", folder)
            assert match, name
            direction = {"0": "forward", "1": "backward"}[match[1]]
            layer = f"{direction}_layers.{match[2]}"
            if last == "W_0":
                tensors[f"{layer}.weight"] = reorder_gates(array).T
            elif last == "B":
                tensors[f"{layer}.bias"] = reorder_gates(array)
            elif last == "W_P_0":
                tensors[f"{layer}.projection"] = array.T
            else:
                raise KeyError(name)
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def linear(target: str, kind: str, array: Array) -> dict[str, Array]:
    """`x @ W + b` as torch keeps it: the weight transposed."""
    return {f"{target}.weight": array.T} if kind == "W" else {f"{target}.bias": array}
