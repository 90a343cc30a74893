"""Models of AllenNLP with an ELMo inside, from weights under bilm-tf's names.

Written from the description of AllenNLP's `elmo.py`, sharing nothing with the reader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.reference.weights import Array

OPTIONS: dict[str, Any] = {
    "lstm": {
        "dim": 6,
        "projection_dim": 4,
        "n_layers": 2,
        "cell_clip": 3,
        "proj_clip": 3,
        "use_skip_connections": True,
    },
    "char_cnn": {
        "embedding": {"dim": 3},
        "filters": [[1, 2], [3, 5]],
        "activation": "relu",
        "n_highway": 1,
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}
MODULE = "text_field_embedder.token_embedder_elmo._elmo"
KEY = "text_field_embedder.token_embedders.elmo"


def bilm_state(weights: Mapping[str, Array], prefix: str) -> dict[str, torch.Tensor]:
    """What `_ElmoBiLm` holds after it has read these weights."""
    state: dict[str, Array] = {}
    encoder, layers = f"{prefix}_token_embedder.", f"{prefix}_elmo_lstm."
    table = weights["char_embed"]
    # The row of padding may have been trained, too: no token that counts has it.
    state[f"{encoder}_char_embedding_weights"] = np.vstack([np.full_like(table[:1], 7.0), table])
    for i in range(100):
        if f"CNN/W_cnn_{i}" not in weights:
            break
        kernel = weights[f"CNN/W_cnn_{i}"][0]  # (width, dim, number)
        state[f"{encoder}char_conv_{i}.weight"] = np.transpose(kernel, (2, 1, 0))
        state[f"{encoder}char_conv_{i}.bias"] = weights[f"CNN/b_cnn_{i}"]
    for k in range(100):
        if f"CNN_high_{k}/W_carry" not in weights:
            break
        name, own = f"{encoder}_highways._layers.{k}", f"CNN_high_{k}"
        carry, transform = weights[f"{own}/W_carry"], weights[f"{own}/W_transform"]
        state[f"{name}.weight"] = np.vstack([transform.T, -carry.T])
        bias = [weights[f"{own}/b_transform"], -weights[f"{own}/b_carry"]]
        state[f"{name}.bias"] = np.concatenate(bias)
    state[f"{encoder}_projection.weight"] = weights["CNN_proj/W_proj"].T
    state[f"{encoder}_projection.bias"] = weights["CNN_proj/b_proj"]
    for d, direction in enumerate(("forward", "backward")):
        for layer in range(100):
            cell = f"RNN_{d}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            if f"{cell}/W_0" not in weights:
                break
            name = f"{layers}{direction}_layer_{layer}"
            matrix, bias = weights[f"{cell}/W_0"], weights[f"{cell}/B"]
            i, j, f, o = np.split(matrix, 4, axis=1)
            matrix = np.concatenate([i, f, j, o], axis=1).T
            i, j, f, o = np.split(bias, 4)
            width = weights[f"{cell}/W_P_0"].shape[1]
            state[f"{name}.input_linearity.weight"] = matrix[:, :width]
            state[f"{name}.state_linearity.weight"] = matrix[:, width:]
            state[f"{name}.state_linearity.bias"] = np.concatenate([i, f + np.float32(1), j, o])
            state[f"{name}.state_projection.weight"] = weights[f"{cell}/W_P_0"].T
    return {name: torch.tensor(np.ascontiguousarray(array)) for name, array in state.items()}


def mix_state(prefix: str, parameters: list[float], gamma: float) -> dict[str, torch.Tensor]:
    """What a `ScalarMix` holds."""
    values = {f"scalar_parameters.{k}": [value] for k, value in enumerate(parameters)}
    values["gamma"] = [gamma]
    return {f"{prefix}.{name}": torch.tensor(value) for name, value in values.items()}


def elmo_state(weights: Mapping[str, Array], module: str = MODULE) -> dict[str, torch.Tensor]:
    """What an `Elmo` holds that has one output."""
    n_layers = sum(name.startswith("RNN_0/") and name.endswith("/B") for name in weights)
    return {
        **bilm_state(weights, f"{module}._elmo_lstm."),
        **mix_state(f"{module}.scalar_mix_0", [0.5 * k for k in range(n_layers + 1)], 1.5),
        "encoder._module.weight_ih_l0": torch.zeros(8, 8),
    }


def config(key: str = KEY, **elmo: Any) -> dict[str, Any]:
    """A `config.json` with an ELMo at a key of the model."""
    node: dict[str, Any] = {"options_file": "x/options.json", "weight_file": "x/weights.hdf5"}
    node |= elmo
    for part in reversed(key.split(".")):
        node = {part: node}
    return {"dataset_reader": {}, "model": {"type": "simple_tagger", **node}}


def write_model(
    folder: Path,
    state: Mapping[str, Any],
    *,
    described: Mapping[str, Any] | None = None,
    fta: Mapping[str, Mapping[str, Any]] | None = None,
    file: str = "weights.th",
    **how: Any,
) -> Path:
    """The folder of a model; returns it."""
    (folder / "vocabulary").mkdir(parents=True, exist_ok=True)
    (folder / "vocabulary/tokens.txt").write_text("the\n")
    (folder / "config.json").write_text(json.dumps(config() if described is None else described))
    torch.save(dict(state), folder / file, **how)
    for name, options in (fta or {}).items():
        (folder / "fta").mkdir(exist_ok=True)
        (folder / "fta" / name).write_text(json.dumps(options))
    return folder
