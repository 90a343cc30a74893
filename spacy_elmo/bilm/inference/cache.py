"""Vectors of word types: the token layer knows no context, so each type is embedded once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from spacy_elmo.bilm.inference.threads import run_side_by_side
from spacy_elmo.bilm.inference.tokens import embed_words
from spacy_elmo.bilm.token_encoder import CharCNN, WordEmbedding
from spacy_elmo.locks import ForkLock

# Types whose token-layer vector is kept: 32 MB at 128 dimensions. English running text of a
# million tokens has about 50,000.
DEFAULT_CACHE_SIZE = 65_536

# Words per run through the token layer: few enough for the highway layers to stay in the cache.
RUN = 256

# Rows the table starts with; it doubles until it holds `capacity` types.
FIRST_ROWS = 4096


class TokenCache:
    """A bounded table of token-layer vectors, by word; safe to use from several threads.

    It trusts that the encoder's weights stay as they are.

    Args:
        encoder: The token layer.
        capacity: Types to keep. When one more arrives the table starts anew: frequent words are
            back at once, and no bookkeeping per token is needed to know which those are.
    """

    def __init__(self, encoder: CharCNN | WordEmbedding, capacity: int) -> None:
        self.encoder = encoder
        self.capacity = capacity
        self._lock = ForkLock(self._forget)
        self._rows: dict[str, int] = {}
        self._table: Tensor | None = None

    def vectors(self, words: Sequence[str]) -> Tensor:
        """Vectors of distinct words. *Shape:* (n_words, projection_dim)."""
        with self._lock:
            if len(words) > self.capacity:
                return self._embed(words)
            new = [word for word in words if word not in self._rows]
            if len(self._rows) + len(new) > self.capacity:
                self._forget()
                new = list(words)
            if new or self._table is None:
                self._table = self._with(new)
            index = torch.tensor([self._rows[word] for word in words], dtype=torch.int64)
            return self._table.index_select(0, index.to(self._table.device))

    def _forget(self) -> None:
        self._rows.clear()
        self._table = None

    def _with(self, words: Sequence[str]) -> Tensor:
        """The table with more words in it."""
        vectors = self._embed(words)
        used = len(self._rows)
        needed = used + len(words)
        table = self._table
        if table is None or needed > len(table):
            size = FIRST_ROWS
            while size < needed:
                size *= 2
            table = vectors.new_empty(size, vectors.shape[1])
            if self._table is not None:
                table[:used] = self._table[:used]
        table[used:needed] = vectors
        self._rows.update(zip(words, range(used, needed), strict=True))
        return table

    def _embed(self, words: Sequence[str]) -> Tensor:
        weight = next(self.encoder.parameters())
        vectors = weight.new_empty(len(words), self.encoder.width)
        # Words of like length together: the CNN looks no further than the longest of its run.
        by_length = sorted(range(len(words)), key=lambda k: len(words[k].encode("utf-8", "ignore")))
        runs = [by_length[k : k + RUN] for k in range(0, len(words), RUN)]

        def embed(runs: Sequence[Sequence[int]]) -> None:
            for run in runs:
                ids = self.encoder.word_ids([words[k] for k in run]).to(weight.device)
                if isinstance(self.encoder, CharCNN) and weight.device.type == "cpu":
                    result = embed_words(self.encoder, ids)
                else:
                    result = self.encoder(ids)
                vectors[torch.tensor(run).to(weight.device)] = result

        # Every other run each, so that both jobs get short and long words.
        jobs = [partial(embed, runs[k::2]) for k in range(min(2, len(runs)))]
        run_side_by_side(jobs)
        return vectors
