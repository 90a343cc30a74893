"""ELMoForManyLangs: another token layer, the gates in PyTorch's order, no constant to add.

Weights are named and arranged as in its files, `token_embedder.pkl` and `encoder.pkl` together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.reference.elmo import ACTIVATIONS, Array, ReferenceElmo, Sentence, clip, relu, sigmoid

MARKS = ("<bos>", "<eos>", "<oov>", "<pad>", "<bow>", "<eow>")


class ReferenceManyLangs(ReferenceElmo):
    """weights: arrays by the names of its files. options: what its network's JSON file holds.

    words, characters: the row of each, as its dictionaries give it, or None.
    """

    boundaries = ("<bos>", "<eos>")

    def __init__(
        self,
        weights: Mapping[str, npt.ArrayLike],
        options: Mapping[str, Any],
        words: Mapping[str, int] | None,
        characters: Mapping[str, int] | None,
    ) -> None:
        lstm = {**options["encoder"], "use_skip_connections": True}
        super().__init__(weights, {"lstm": lstm, "bidirectional": True})
        self.embedder = options["token_embedder"]
        self.words, self.characters = words, characters

    def token_vectors(self, words: Sentence) -> Array:
        w = self.weights
        vectors = []
        for word in words:
            word = word[: self.embedder["max_characters_per_token"] - 2]
            parts = []
            if self.words is not None:
                row = self.words.get(word, self.words["<oov>"])
                parts.append(w["word_emb_layer.embedding.weight"][row])
            if self.characters is not None:
                parts.append(self.character_features(word))
            vectors.append(w["projection.weight"] @ np.concatenate(parts) + w["projection.bias"])
        return np.stack(vectors)

    def character_features(self, word: str) -> Array:
        """Convolutions, maximum over positions, highways; not projected."""
        w, rows = self.weights, self.characters
        assert rows is not None
        inner = [word] if word in self.boundaries else list(word)
        # The two marks stand in each other's place.
        ids = [rows["<eow>"], *(rows.get(c, rows["<oov>"]) for c in inner), rows["<bow>"]]
        ids += [rows["<pad>"]] * (self.embedder["max_characters_per_token"] - len(ids))
        characters = w["char_emb_layer.embedding.weight"][ids]
        features = []
        for i, (width, _) in enumerate(self.embedder["filters"]):
            kernel, bias = w[f"convolutions.{i}.weight"], w[f"convolutions.{i}.bias"]
            convolved = [
                np.einsum("ncw,wc->n", kernel, characters[at : at + width]) + bias
                for at in range(len(ids) - width + 1)
            ]
            activation = ACTIVATIONS[self.embedder["activation"]]
            features.append(activation(np.max(convolved, axis=0)))
        x = np.concatenate(features)
        for k in range(self.embedder["n_highway"]):
            both = w[f"highways._layers.{k}.weight"] @ x + w[f"highways._layers.{k}.bias"]
            transformed, carry = np.split(both, 2)
            carry = sigmoid(carry)
            x = carry * x + (1.0 - carry) * relu(transformed)
        return x

    def lstm_step(
        self, x: Array, h: Array, c: Array, layer: int, direction: int
    ) -> tuple[Array, Array]:
        w, options = self.weights, self.options["lstm"]
        name = f"{('forward', 'backward')[direction]}_layer_{layer}"
        z = w[f"{name}.input_linearity.weight"] @ x
        z = z + w[f"{name}.state_linearity.weight"] @ h + w[f"{name}.state_linearity.bias"]
        i, f, g, o = np.split(z, 4)
        c = clip(sigmoid(i) * np.tanh(g) + sigmoid(f) * c, options["cell_clip"])
        h = w[f"{name}.state_projection.weight"] @ (sigmoid(o) * np.tanh(c))
        return clip(h, options["proj_clip"]), c


def many_langs_options(
    *,
    word_dim: int = 3,
    char_dim: int = 4,
    filters: Sequence[tuple[int, int]] = ((1, 3), (2, 4)),
    n_highway: int = 1,
    activation: str = "relu",
    max_characters: int = 12,
    lstm_dim: int = 6,
    projection_dim: int = 5,
    n_layers: int = 2,
    cell_clip: float | None = 3,
    proj_clip: float | None = 3,
) -> dict[str, Any]:
    """As in the JSON file that describes a network."""
    return {
        "encoder": {
            "name": "elmo",
            "projection_dim": projection_dim,
            "cell_clip": cell_clip,
            "proj_clip": proj_clip,
            "dim": lstm_dim,
            "n_layers": n_layers,
        },
        "token_embedder": {
            "name": "cnn",
            "activation": activation,
            "filters": [list(pair) for pair in filters],
            "n_highway": n_highway,
            "word_dim": word_dim,
            "char_dim": char_dim,
            "max_characters_per_token": max_characters,
        },
        "classifier": {"name": "sampled_softmax", "n_samples": 8192},
        "dropout": 0.1,
    }


def rows_of(tokens: Sequence[str]) -> dict[str, int]:
    """A dictionary in the order of its rows."""
    return {token: row for row, token in enumerate(tokens)}


def random_many_langs(
    options: Mapping[str, Any],
    rng: np.random.Generator,
    words: Mapping[str, int] | None,
    characters: Mapping[str, int] | None,
    *,
    lstm_scale: float = 1.0,
) -> dict[str, Array]:
    """Float32 weights of every shape `options` asks for."""

    def normal(*shape: int, scale: float) -> Array:
        return rng.normal(0.0, scale, shape).astype(np.float32)

    embedder, encoder = options["token_embedder"], options["encoder"]
    weights: dict[str, Array] = {}
    features = 0
    if words is not None:
        n_rows = max(words.values()) + 1
        weights["word_emb_layer.embedding.weight"] = normal(n_rows, embedder["word_dim"], scale=1.0)
        features += embedder["word_dim"]
    if characters is not None:
        depth = embedder["char_dim"]
        n_rows = max(characters.values()) + 1
        weights["char_emb_layer.embedding.weight"] = normal(n_rows, depth, scale=1.0)
        for i, (width, number) in enumerate(embedder["filters"]):
            scale = (width * depth) ** -0.5
            weights[f"convolutions.{i}.weight"] = normal(number, depth, width, scale=scale)
            weights[f"convolutions.{i}.bias"] = normal(number, scale=0.3)
        filters = sum(number for _, number in embedder["filters"])
        for k in range(embedder["n_highway"]):
            name = f"highways._layers.{k}"
            weights[f"{name}.weight"] = normal(2 * filters, filters, scale=filters**-0.5)
            weights[f"{name}.bias"] = normal(2 * filters, scale=0.5)
        features += filters
    width, cells = encoder["projection_dim"], encoder["dim"]
    weights["projection.weight"] = normal(width, features, scale=features**-0.5)
    weights["projection.bias"] = normal(width, scale=0.3)
    for direction in ("forward", "backward"):
        for layer in range(encoder["n_layers"]):
            name = f"{direction}_layer_{layer}"
            scale = lstm_scale * (2 * width) ** -0.5
            for part in ("input", "state"):
                matrix = normal(4 * cells, width, scale=scale)
                weights[f"{name}.{part}_linearity.weight"] = matrix
            weights[f"{name}.state_linearity.bias"] = normal(4 * cells, scale=0.5 * lstm_scale)
            projection = normal(width, cells, scale=lstm_scale * cells**-0.5)
            weights[f"{name}.state_projection.weight"] = projection
    return weights


def many_langs_state_dict(weights: Mapping[str, Array]) -> dict[str, Array]:
    """The weights as the state dict `spacy_elmo.BiLM` documents, for dictionaries in its order.

    Written anew here from the documented names and shapes. Every step but one only moves numbers or
    changes their sign: the forget gate's constant of 1 is taken off.
    """
    tensors: dict[str, Array] = {}
    for name, array in weights.items():
        parts = name.split(".")
        if name.endswith("embedding.weight"):
            table = {"word_emb_layer": "embedding", "char_emb_layer": "char_embedding"}[parts[0]]
            tensors[f"token_encoder.{table}"] = array
        elif parts[0] == "highways":
            transform, carry = np.split(array, 2)
            highway = f"token_encoder.highways.{parts[2]}"
            tensors[f"{highway}.transform.{parts[3]}"] = transform
            tensors[f"{highway}.gate.{parts[3]}"] = -carry
        elif parts[0] in ("convolutions", "projection"):
            tensors[f"token_encoder.{name}"] = array
        elif parts[1] == "state_projection":
            tensors[f"{layer_of(parts[0])}.projection"] = array
        elif parts[1] == "input_linearity":
            states = weights[f"{parts[0]}.state_linearity.weight"]
            joined = np.concatenate([array, states], axis=1)
            tensors[f"{layer_of(parts[0])}.weight"] = gates_in_our_order(joined)
        elif parts[2] == "bias":
            i, f, g, o = np.split(array, 4)
            tensors[f"{layer_of(parts[0])}.bias"] = np.concatenate([i, f - 1, o, g])
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def layer_of(name: str) -> str:
    """`forward_layer_0` is `forward_layers.0` here."""
    return name.replace("_layer_", "_layers.")


def gates_in_our_order(rows: Array) -> Array:
    """PyTorch's i, f, g, o as i, f, o, g."""
    i, f, g, o = np.split(rows, 4)
    return np.concatenate([i, f, o, g])
