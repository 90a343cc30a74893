"""Weights for the oracle: read from a published HDF5 file, or random for any configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def read_hdf5(path: Path) -> dict[str, Array]:
    """Every dataset of the file by its full name."""
    import h5py

    datasets: dict[str, Array] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            datasets[name] = item[...]

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return datasets


def random_weights(
    options: Mapping[str, Any],
    rng: np.random.Generator,
    *,
    n_words: int | None = None,
    cnn_projection: bool = True,
    lstm_projection: bool = True,
    lstm_scale: float = 1.0,
) -> dict[str, Array]:
    """Float32 weights of every shape `options` asks for.

    n_words: rows of a word embedding (word input); None for the char CNN.
    lstm_scale: factor on all LSTM weights; well above 1 makes clips fire.
    """

    def normal(*shape: int, scale: float) -> Array:
        return rng.normal(0.0, scale, shape).astype(np.float32)

    lstm = options["lstm"]
    width, cells = lstm["projection_dim"], lstm["dim"]
    weights: dict[str, Array] = {}

    if n_words is not None:
        weights["embedding"] = normal(n_words, width, scale=1.0)
    else:
        cnn = options["char_cnn"]
        n_characters, char_dim = 261, cnn["embedding"]["dim"]
        features = sum(number for _, number in cnn["filters"])
        weights["char_embed"] = normal(n_characters, char_dim, scale=1.0)
        for i, (kernel, number) in enumerate(cnn["filters"]):
            scale = (kernel * char_dim) ** -0.5
            weights[f"CNN/W_cnn_{i}"] = normal(1, kernel, char_dim, number, scale=scale)
            weights[f"CNN/b_cnn_{i}"] = normal(number, scale=0.3)
        for k in range(cnn.get("n_highway", 0)):
            for part in ("carry", "transform"):
                square = normal(features, features, scale=features**-0.5)
                weights[f"CNN_high_{k}/W_{part}"] = square
                weights[f"CNN_high_{k}/b_{part}"] = normal(features, scale=0.5)
        if cnn_projection:
            weights["CNN_proj/W_proj"] = normal(features, width, scale=features**-0.5)
            weights["CNN_proj/b_proj"] = normal(width, scale=0.3)

    for direction in range(2 if options.get("bidirectional", True) else 1):
        for layer in range(lstm["n_layers"]):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            scale = lstm_scale * (2 * width) ** -0.5
            weights[f"{cell}/W_0"] = normal(2 * width, 4 * cells, scale=scale)
            weights[f"{cell}/B"] = normal(4 * cells, scale=0.5 * lstm_scale)
            if lstm_projection:
                scale = lstm_scale * cells**-0.5
                weights[f"{cell}/W_P_0"] = normal(cells, width, scale=scale)
    return weights
