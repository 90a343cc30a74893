"""The token layer: a context-free vector per word, from its characters or from a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spacy_elmo.bilm.characters import PADDING, character_ids, read_of
from spacy_elmo.bilm.config import CharCNNConfig
from spacy_elmo.bilm.kernels.char_cnn import largest_features
from spacy_elmo.bilm.stack import Stack
from spacy_elmo.vocabulary import BOS_WORD, EOS_WORD, UNK_WORD, check_vocabulary


class Highway(nn.Module):
    """One highway layer: `gate * relu(transform(x)) + (1 - gate) * x`.

    bilm-tf names the gate's weights `W_carry`, although they open the way of the transform.
    Input and output *Shape:* (n_words, width).

    Args:
        width: Width of a vector.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)
        self.transform = nn.Linear(width, width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Blend each vector with its transform."""
        gate = torch.sigmoid(self.gate(inputs))
        transform = torch.relu(self.transform(inputs))
        # Under autocast the products may be of another type than their inputs.
        return torch.lerp(inputs.to(transform.dtype), transform, gate)


class CharCNN(nn.Module):
    """Character CNN, highway layers and projection (Peters et al. 2018, section 3.1).

    Args:
        config: Sizes of the CNN.
        projection_dim: Width of the output.
    """

    boundaries = (BOS_WORD, EOS_WORD)
    """What it reads before and after a sentence."""

    def __init__(self, config: CharCNNConfig, projection_dim: int) -> None:
        super().__init__()
        self.config = config
        self.width = projection_dim
        self.char_embedding = nn.Parameter(torch.empty(config.n_characters, config.embedding_dim))
        self.convolutions = Stack[nn.Conv1d](
            nn.Conv1d(config.embedding_dim, number, width) for width, number in config.filters
        )
        self.highways = Stack[Highway](Highway(config.n_filters) for _ in range(config.n_highway))
        self.projection = nn.Linear(config.n_filters, projection_dim) if config.projection else None

    def reset_parameters(self) -> None:
        """Initialise as bilm-tf does (training.py, `_build_word_char_embeddings`)."""
        nn.init.uniform_(self.char_embedding, -1.0, 1.0)
        for convolution in self.convolutions:
            if self.config.activation == "relu":
                nn.init.uniform_(convolution.weight, -0.05, 0.05)
            else:
                fan_in = convolution.kernel_size[0] * convolution.in_channels
                nn.init.normal_(convolution.weight, 0.0, math.sqrt(1.0 / fan_in))
            _zero_bias(convolution)
        deviation = math.sqrt(1.0 / self.config.n_filters)
        for highway in self.highways:
            nn.init.normal_(highway.gate.weight, 0.0, deviation)
            nn.init.constant_(highway.gate.bias, -2.0)
            nn.init.normal_(highway.transform.weight, 0.0, deviation)
            _zero_bias(highway.transform)
        if self.projection is not None:
            nn.init.normal_(self.projection.weight, 0.0, deviation)
            _zero_bias(self.projection)

    def key(self, word: str) -> str | bytes:
        """What is read of a word: two words of the same key have the same vector."""
        return read_of(word, self.config.max_characters_per_token)

    def word_ids(self, words: Sequence[str]) -> Tensor:
        """Character ids of words, int64. *Shape:* (n_words, max_characters_per_token)."""
        ids = character_ids(words, self.config.max_characters_per_token)
        return torch.from_numpy(ids.astype(np.int64))

    def forward(self, ids: Tensor) -> Tensor:
        """Embed words.

        Args:
            ids: Character ids with their offset of 1, integers; 0 is "no character", a zero vector.
                *Shape:* (n_words, max_characters_per_token).

        Returns:
            One vector per word. *Shape:* (n_words, projection_dim).
        """
        # Windows of nothing but padding are all the same, and the maximum is taken over windows:
        # one of them is enough. Exact, and three times fewer windows for English words.
        # Not on a GPU, which would have to stop and tell the host how long the words are.
        if ids.device.type == "cpu":
            ids = ids[:, : used_positions(ids, max(width for width, _ in self.config.filters))]
        table = F.pad(self.char_embedding, (0, 0, 1, 0))
        weights = [convolution.weight for convolution in self.convolutions]
        # A bias is the same at every position, so it may come after the maximum.
        bias = torch.cat([c.bias for c in self.convolutions if c.bias is not None])
        activation = torch.relu if self.config.activation == "relu" else torch.tanh
        vectors = activation(largest_features(table, weights, ids.long()) + bias)
        for highway in self.highways:
            vectors = highway(vectors)
        return vectors if self.projection is None else self.projection(vectors)


class WordEmbedding(nn.Module):
    """The token layer of a word-input model: a row of a table per word.

    Args:
        n_words: Rows of the table.
        projection_dim: Width of a row.
    """

    boundaries = (BOS_WORD, EOS_WORD)
    """What it reads before and after a sentence."""

    def __init__(self, n_words: int, projection_dim: int) -> None:
        super().__init__()
        self.width = projection_dim
        self.embedding = nn.Parameter(torch.empty(n_words, projection_dim))
        self._rows: dict[str, int] = {}

    def reset_parameters(self) -> None:
        """Initialise as bilm-tf does (training.py, `_build_word_embeddings`)."""
        nn.init.uniform_(self.embedding, -1.0, 1.0)

    def set_vocabulary(self, vocabulary: Sequence[str]) -> None:
        """Tell which word each row stands for.

        Raises:
            ValueError: The vocabulary has another size than the table.
            ElmoError: It repeats a word, lacks `<S>`, `</S>` or `<UNK>`, or could not be written to
                a file.
        """
        if len(vocabulary) != len(self.embedding):
            raise ValueError(
                f"the vocabulary has {len(vocabulary)} words, the word embedding "
                f"{len(self.embedding)} rows: they must agree"
            )
        check_vocabulary("the vocabulary", vocabulary, special="anywhere")
        self._rows = {word: row for row, word in enumerate(vocabulary)}

    def key(self, word: str) -> str:
        """What is read of a word: two words of the same key have the same vector."""
        return word if word in self._rows else UNK_WORD

    def word_ids(self, words: Sequence[str]) -> Tensor:
        """Rows of words, int64; unknown words get the row of `<UNK>`. *Shape:* (n_words,).

        Raises:
            ValueError: No vocabulary is set.
        """
        if not self._rows:
            raise ValueError(
                "this model reads whole words and has no vocabulary: load it with `vocab=FILE`, "
                "one word per line in the order of its embedding's rows"
            )
        unknown = self._rows[UNK_WORD]
        return torch.tensor([self._rows.get(word, unknown) for word in words], dtype=torch.int64)

    def forward(self, ids: Tensor) -> Tensor:
        """Rows of the table. *Shape:* (n_words,) to (n_words, projection_dim)."""
        return F.embedding(ids.long(), self.embedding)


def used_positions(ids: Tensor, widest: int) -> int:
    """Positions up to the longest word's end mark and one window of padding behind it."""
    in_use = ((ids != PADDING) & (ids != 0)).any(dim=0).nonzero()
    longest = int(in_use[-1].item()) + 1 if len(in_use) else 0
    return min(ids.shape[1], longest + widest)


def _zero_bias(layer: nn.Linear | nn.Conv1d) -> None:
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
