"""The bidirectional language model (Peters et al. 2018, section 3; bilm-tf's `model.py`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.reference.characters import BOS_WORD, EOS_WORD, UNK_WORD, character_ids

Array = npt.NDArray[Any]
Sentence = Sequence[str]

# State of one row of a batch: h (n_layers, n_directions, P) and c (n_layers, n_directions, C).
State = tuple[Array, Array]


def sigmoid(x: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"relu": relu, "tanh": np.tanh}


def clip(x: Array, limit: float | None) -> Array:
    """A limit of None or 0 clips nothing."""
    return np.clip(x, -limit, limit) if limit else x


class ReferenceElmo:
    """weights: arrays by HDF5 dataset name. options: the content of `options.json`.

    vocabulary: for word input, the words in the order of the rows of `embedding`.
    """

    boundaries = (BOS_WORD, EOS_WORD)

    def __init__(
        self,
        weights: Mapping[str, npt.ArrayLike],
        options: Mapping[str, Any],
        vocabulary: Sequence[str] | None = None,
    ) -> None:
        self.weights = {name: np.asarray(w, dtype=np.float64) for name, w in weights.items()}
        self.options = options
        self.word_rows = {word: row for row, word in enumerate(vocabulary or [])}
        self.n_layers: int = options["lstm"]["n_layers"]
        self.n_directions = 2 if options.get("bidirectional", True) else 1

    # Token layer

    def token_vectors(self, words: Sentence) -> Array:
        """Layer 0 before it is doubled.

        Shape: (n_words, P)
        """
        if "char_embed" not in self.weights:
            rows = [self.word_rows.get(word, self.word_rows[UNK_WORD]) for word in words]
            return self.weights["embedding"][rows]
        return np.stack([self.char_cnn(word) for word in words])

    def char_cnn(self, word: str) -> Array:
        """Convolutions over the characters, maximum over positions, highways, projection.

        Shape: (P,)
        """
        w, options = self.weights, self.options["char_cnn"]
        activation = ACTIVATIONS[options["activation"]]
        ids = character_ids(word, options["max_characters_per_token"])
        padding_row = np.zeros_like(w["char_embed"][:1])
        characters = np.concatenate([padding_row, w["char_embed"]])[ids]

        features = []
        for i, (width, _) in enumerate(options["filters"]):
            kernel, bias = w[f"CNN/W_cnn_{i}"][0], w[f"CNN/b_cnn_{i}"]
            windows = [characters[at : at + width] for at in range(len(ids) - width + 1)]
            convolved = np.tensordot(np.stack(windows), kernel, axes=2) + bias
            features.append(activation(convolved.max(axis=0)))
        x = np.concatenate(features)

        for k in range(options.get("n_highway", 0)):
            high = f"CNN_high_{k}"
            # The published name is "carry", but this gate weighs the transformed part.
            gate = sigmoid(x @ w[f"{high}/W_carry"] + w[f"{high}/b_carry"])
            transformed = relu(x @ w[f"{high}/W_transform"] + w[f"{high}/b_transform"])
            x = gate * transformed + (1.0 - gate) * x

        if "CNN_proj/W_proj" in w:
            x = x @ w["CNN_proj/W_proj"] + w["CNN_proj/b_proj"]
        return x

    # LSTM layers

    def lstm_step(
        self, x: Array, h: Array, c: Array, layer: int, direction: int
    ) -> tuple[Array, Array]:
        """TensorFlow's LSTMCell: the new h and c."""
        options = self.options["lstm"]
        cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
        z = np.concatenate([x, h]) @ self.weights[f"{cell}/W_0"] + self.weights[f"{cell}/B"]
        i, j, f, o = np.split(z, 4)
        c = sigmoid(f + 1.0) * c + sigmoid(i) * np.tanh(j)
        c = clip(c, options.get("cell_clip"))
        h = sigmoid(o) * np.tanh(c)
        if f"{cell}/W_P_0" in self.weights:
            h = clip(h @ self.weights[f"{cell}/W_P_0"], options.get("proj_clip"))
        return h, c

    def run_direction(self, inputs: Array, direction: int, state: State) -> tuple[Array, State]:
        """All layers of one direction over inputs (T, P) that stand in the order of reading.

        Returns:
            The outputs (n_layers, T, P) and the state with this direction's part renewed.
        """
        h, c = state[0].copy(), state[1].copy()
        outputs = []
        for layer in range(self.n_layers):
            steps = []
            for x in inputs:
                h[layer, direction], c[layer, direction] = self.lstm_step(
                    x, h[layer, direction], c[layer, direction], layer, direction
                )
                steps.append(h[layer, direction].copy())
            output = np.array(steps).reshape(inputs.shape)
            if self.options["lstm"]["use_skip_connections"] and layer > 0:
                # The sum goes up and out, while the recurrence above sees h alone.
                output = output + inputs
            outputs.append(output)
            inputs = output
        return np.stack(outputs), (h, c)

    # Sentences, batches

    def zero_state(self) -> State:
        lstm = self.options["lstm"]
        shape = (self.n_layers, self.n_directions)
        return np.zeros((*shape, lstm["projection_dim"])), np.zeros((*shape, lstm["dim"]))

    def layers_with_boundaries(self, sentence: Sentence, state: State) -> tuple[Array, State]:
        """All layers of `<S> sentence </S>`, and the state after it.

        Shape: (n_layers + 1, n_words + 2, n_directions * P)
        """
        begin, end = self.boundaries
        tokens = self.token_vectors([begin, *sentence, end])
        layers = [np.concatenate([tokens] * self.n_directions, axis=-1)]
        outputs, state = self.run_direction(tokens, 0, state)
        if self.n_directions == 2:
            backward, state = self.run_direction(tokens[::-1], 1, state)
            outputs = np.concatenate([outputs, backward[:, ::-1]], axis=-1)
        return np.stack([*layers, *outputs]), state

    def layers(self, sentence: Sentence, state: State | None = None) -> Array:
        """All layers of one sentence read from `state` (default: zero).

        Shape: (n_layers + 1, n_words, n_directions * P)
        """
        layers, _ = self.layers_with_boundaries(sentence, state or self.zero_state())
        return layers[:, 1:-1]

    def carry(
        self, batches: Iterable[Sequence[Sentence]], rows: list[State] | None = None
    ) -> Iterator[list[Array]]:
        """Layers of batch after batch, each row going on from the state its forerunner left.

        `rows` is the state, one entry for each row of the largest batch so far; it is changed.
        """
        rows = [] if rows is None else rows
        for batch in batches:
            rows += [self.zero_state() for _ in range(len(batch) - len(rows))]
            answers = []
            for row, sentence in enumerate(batch):
                layers, rows[row] = self.layers_with_boundaries(sentence, rows[row])
                answers.append(layers[:, 1:-1])
            yield answers
