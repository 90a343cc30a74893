"""Vectors of word types: the token layer knows no context, so each type is embedded once.

A type is what the network reads of a word: long words that begin alike are one, and so are all that
a vocabulary lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from spacy_elmo.bilm.inference.threads import run_side_by_side
from spacy_elmo.bilm.inference.tokens import embed_words
from spacy_elmo.bilm.sentences import word_types
from spacy_elmo.bilm.token_encoder import CharCNN
from spacy_elmo.bilm.token_layers import TokenEncoder
from spacy_elmo.fork_lock import ForkLock

# Types whose token-layer vector is kept: 32 MB at 128 dimensions. English running text of a
# million tokens has about 50,000.
DEFAULT_CACHE_SIZE = 65_536

# Bound of the characters of all keys, per type of the capacity. The original network reads at most
# 48 bytes of a word; those that read more keep fewer types, where words are as long as that.
KEY_BYTES = 64

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

    def __init__(self, encoder: TokenEncoder, capacity: int) -> None:
        self.encoder = encoder
        self.capacity = capacity
        self._lock = ForkLock(self._forget)
        self._rows: dict[str | bytes, int] = {}
        self._key_bytes = 0
        # Rows of words as they are written, which need no key: most words of a text.
        self._rows_of_words: dict[str, int] = {}
        self._table: Tensor | None = None

    def vectors_of_text(self, words: Sequence[str]) -> Tensor:
        """Vectors of words among which many come again. *Shape:* (n_words, projection_dim)."""
        with self._lock:
            known = [row for row in map(self._rows_of_words.get, words) if row is not None]
            table = self._table  # to which words are added, and nothing else is done
        if table is not None and len(known) == len(words):
            return _select(table, known)
        types, numbers = word_types(words)
        return _select(self.vectors(types), numbers)

    def vectors(self, words: Sequence[str]) -> Tensor:
        """Vectors of distinct words. *Shape:* (n_words, projection_dim)."""
        keys = [self.encoder.key(word) for word in words]
        with self._lock:
            new = {key: w for key, w in zip(keys, words, strict=True) if key not in self._rows}
            if not self._has_room(new):
                distinct = dict(zip(keys, words, strict=True))
                self._forget()
                if not self._has_room(distinct):
                    return self._embed(words)
                new = distinct
            if new or self._table is None:
                self._table = self._with(new)
            rows = [self._rows[key] for key in keys]
            self._remember(words, rows)
            return _select(self._table, rows)

    def _remember(self, words: Sequence[str], rows: Sequence[int]) -> None:
        """Keep the rows of words as they are written, but for those of unusual length."""
        if len(words) > self.capacity:
            return
        if len(self._rows_of_words) + len(words) > self.capacity:
            self._rows_of_words.clear()
        self._rows_of_words.update(
            (word, row) for word, row in zip(words, rows, strict=True) if len(word) <= KEY_BYTES
        )

    def _has_room(self, new: Mapping[str | bytes, str]) -> bool:
        n_bytes = self._key_bytes + _size(new)
        return len(self._rows) + len(new) <= self.capacity and n_bytes <= KEY_BYTES * self.capacity

    def _forget(self) -> None:
        self._rows.clear()
        self._key_bytes = 0
        self._rows_of_words.clear()
        self._table = None

    def _with(self, new: Mapping[str | bytes, str]) -> Tensor:
        """The table with more words in it."""
        vectors = self._embed(list(new.values()))
        used = len(self._rows)
        needed = used + len(new)
        table = self._table
        if table is None or needed > len(table):
            size = FIRST_ROWS
            while size < needed:
                size *= 2
            table = vectors.new_empty(size, vectors.shape[1])
            if self._table is not None:
                table[:used] = self._table[:used]
        table[used:needed] = vectors
        self._rows.update(zip(new, range(used, needed), strict=True))
        self._key_bytes += _size(new)
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


def _select(table: Tensor, rows: Sequence[int]) -> Tensor:
    index = torch.tensor(rows, dtype=torch.int64)
    return table.index_select(0, index.to(table.device))


def _size(keys: Iterable[str | bytes]) -> int:
    return sum(map(len, keys))
