"""The token layer of ELMoForManyLangs: a word's embedding and its Unicode characters, projected.

Che et al. 2018, "Towards Better UD Parsing"; its code, `modules/token_embedder.py` and
`frontend.py`. What differs from `CharCNN`: characters are code points with a list of their own, a
padded position is a character like any other, words are cut before they are looked up, and the
highway layers do not see the word's embedding, which comes first in what is projected.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spacy_elmo.bilm.many_langs_config import ManyLangsConfig
from spacy_elmo.bilm.stack import Stack
from spacy_elmo.bilm.token_encoder import Highway
from spacy_elmo.vocabulary import check_vocabulary

BOS, EOS, OOV, PAD, BOW, EOW = MARKS = ("<bos>", "<eos>", "<oov>", "<pad>", "<bow>", "<eow>")
"""Begin and end of a sentence, what is unknown, padding, begin and end of a word."""
_ROWS = {mark: row for row, mark in enumerate(MARKS)}

# The original takes each of the two for the other, in training and after it.
_BEGIN, _END = _ROWS[EOW], _ROWS[BOW]


class ManyLangsEncoder(nn.Module):
    """Word embedding beside character CNN and highway layers, and a projection of both.

    Args:
        config: Sizes.
        n_words: Rows of the word embedding, None without one.
        projection_dim: Width of the output.

    Attributes:
        embedding: Of the words, or None. *Shape:* (n_words, word_dim).
        char_embedding: Of `MARKS` and the characters of the config, or None. *Shape:*
            (len(MARKS) + n_characters, char_dim).
    """

    boundaries = (BOS, EOS)
    """What it reads before and after a sentence."""

    def __init__(self, config: ManyLangsConfig, n_words: int | None, projection_dim: int) -> None:
        super().__init__()
        self.config = config
        self.width = projection_dim
        self.embedding = (
            None if n_words is None else nn.Parameter(torch.empty(n_words, config.word_dim))
        )
        self.char_embedding = (
            nn.Parameter(torch.empty(len(MARKS) + len(config.characters), config.char_dim))
            if config.char_dim
            else None
        )
        self.convolutions = Stack[nn.Conv1d](
            nn.Conv1d(config.char_dim, number, width) for width, number in config.filters
        )
        self.highways = Stack[Highway](Highway(config.n_filters) for _ in range(config.n_highway))
        self.projection = nn.Linear(config.n_features, projection_dim)
        self._words: dict[str, int] = {}
        self._characters = {c: len(MARKS) + k for k, c in enumerate(config.characters)}

    def reset_parameters(self) -> None:
        """Initialise as the original does: its tables, PyTorch's layers, highways left open."""
        for table in (self.embedding, self.char_embedding):
            if table is not None:
                nn.init.uniform_(table, -0.25, 0.25)
        for layer in (*self.convolutions, self.projection):
            layer.reset_parameters()
        for highway in self.highways:
            highway.gate.reset_parameters()
            highway.transform.reset_parameters()
            nn.init.constant_(highway.gate.bias, -1.0)

    def set_vocabulary(self, vocabulary: Sequence[str]) -> None:
        """Tell which word each row of the word embedding stands for, where there is one.

        Raises:
            ValueError: The word embedding has another number of rows.
            ElmoError: The words repeat one, or could not be written to a file.
        """
        if self.embedding is None:
            return
        if len(vocabulary) != len(self.embedding):
            raise ValueError(
                f"the vocabulary has {len(vocabulary)} words, the word embedding "
                f"{len(self.embedding)} rows: they must agree"
            )
        check_vocabulary("the vocabulary", vocabulary)
        if OOV not in vocabulary:
            raise ValueError(f"the vocabulary lacks {OOV}, which stands for unknown words")
        self._words = {word: row for row, word in enumerate(vocabulary)}

    def key(self, word: str) -> str:
        """What is read of a word: two words of the same key have the same vector."""
        return word[: self.config.max_characters_per_token - 2]

    def word_ids(self, words: Sequence[str]) -> Tensor:
        """The row of each word, if there is a word embedding, then those of its characters.

        Raises:
            ValueError: There is a word embedding and no vocabulary is set.

        Returns:
            int64. *Shape:* (n_words, 1), (n_words, max_characters_per_token), or both side by side.
        """
        parts = []
        keys = [self.key(word) for word in words]
        if self.embedding is not None:
            if not self._words:
                raise ValueError("this model looks words up and has no vocabulary: set_vocabulary")
            unknown = self._words[OOV]
            rows = [self._words.get(key, unknown) for key in keys]
            parts.append(np.array(rows, dtype=np.int64).reshape(-1, 1))
        if self.char_embedding is not None:
            positions = self.config.max_characters_per_token
            ids = np.full((len(keys), positions), _ROWS[PAD], dtype=np.int64)
            for row, key in zip(ids, keys, strict=True):
                read = [_BEGIN, *self._read(key), _END]
                row[: len(read)] = read
            parts.append(ids)
        return torch.from_numpy(np.concatenate(parts, axis=1))

    def _read(self, key: str) -> list[int]:
        """Rows of the characters of a word; a sentence mark is one character."""
        if key in self.boundaries:
            return [_ROWS[key]]
        unknown = _ROWS[OOV]
        return [self._characters.get(character, unknown) for character in key]

    def forward(self, ids: Tensor) -> Tensor:
        """Embed words.

        Args:
            ids: What `word_ids` gives.

        Returns:
            One vector per word. *Shape:* (n_words, projection_dim).
        """
        parts = []
        if self.embedding is not None:
            parts.append(F.embedding(ids[:, 0].long(), self.embedding))
            ids = ids[:, 1:]
        if self.char_embedding is not None:
            parts.append(self._features(ids.long(), self.char_embedding))
        vectors: Tensor = self.projection(torch.cat(parts, dim=1))
        return vectors

    def _features(self, ids: Tensor, table: Tensor) -> Tensor:
        """What convolutions and highways make of characters. *Shape:* (n_words, n_filters)."""
        # As in `CharCNN.forward`: of all windows of nothing but padding one is enough.
        if ids.device.type == "cpu":
            in_use = (ids != _ROWS[PAD]).any(dim=0).nonzero()
            longest = int(in_use[-1].item()) + 1 if len(in_use) else 0
            ids = ids[:, : longest + max(width for width, _ in self.config.filters)]
        characters = F.embedding(ids, table).transpose(1, 2)
        activation = torch.relu if self.config.activation == "relu" else torch.tanh
        features = [convolution(characters).amax(dim=2) for convolution in self.convolutions]
        vectors = activation(torch.cat(features, dim=1))
        for highway in self.highways:
            vectors = highway(vectors)
        return vectors
