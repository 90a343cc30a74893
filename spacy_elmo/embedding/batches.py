"""Vectors for batches of rows, as engines hand them out: Ray Data, Spark, pandas."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spacy_elmo.embedding.entries import Entry, Raw, check_raw
from spacy_elmo.embedding.layers import LayerChoice, choose_layers, pool_mean
from spacy_elmo.embedding.source import Source, open_source
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.parquet import import_pyarrow, vector_columns
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.types import Array


class BatchEmbedder:
    """Adds columns of vectors to a batch of rows, for `ray.data.Dataset.map_batches`.

    It holds no more than the name of the weights, so it travels to other machines; each process
    loads them at its first batch, from a path that must exist there.

    A row stays a row, with the columns it has. New are `tokens`, `start`, `end` (characters in the
    text) and `vectors` (several layers: `layer_0`, ...), lists with an item per token; or, pooled,
    `vector` alone (several layers: `layer_0`, ...).

    Args:
        weights: Name or path of weights or of a saved pipeline.
        column: The column of texts, or of lists of words.
        layers: As for `embed`.
        dtype: "float32" or "float16".
        pool: "mean": one vector per row.
        lang: As for `embed`.
        tokenized: As for `embed`.
        precision: As for `embed`.
        threads: Of PyTorch's; None: in an actor of Ray's the number of its CPUs, else as it is.

    Raises:
        ValueError: For weights that are no name or path, and unusable options.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        column: str = "text",
        layers: str | int | Sequence[int] = "average",
        dtype: str = "float32",
        pool: str | None = None,
        lang: str = "en",
        tokenized: bool = False,
        precision: str | None = None,
        threads: int | None = None,
    ) -> None:
        if not isinstance(weights, (str, Path)):
            raise ValueError(
                f"weights is {weights!r:.80}: expected a name or path, which can be sent to others"
            )
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}: expected at least 1")
        Spec(1, dtype=dtype, pool=pool)  # checks both
        self.weights = str(weights)
        self.column = column
        self.layers = layers
        self.dtype = dtype
        self.pool = pool
        self.lang = lang
        self.tokenized = tokenized
        self.precision = precision
        self.threads = threads
        self._loaded: tuple[Source, LayerChoice, Spec] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}

    def __call__(self, batch: Any) -> Any:
        """Add the columns to a batch.

        Args:
            batch: A dict of arrays (Ray's batch format "numpy"; they may be read-only), a table of
                pyarrow ("pyarrow"), or a data frame of pandas ("pandas", Spark's `mapInPandas`).

        Returns:
            A batch of the same kind.

        Raises:
            EmbeddingError: If there is no such column, or one of a new one's name.
            ValueError: If it holds something else than texts and lists of words.
        """
        names, texts, build = self._opened(batch)
        _, choice, spec = self._load()
        new = self._names(spec)
        there = [name for name in new if name in names]
        if there:
            raise EmbeddingError(f"the rows have a column {there[0]!r} already: rename it")
        entries, arrays = self._embed(texts)
        columns: dict[str, list[Any]] = {}
        if not self.pool:
            columns["tokens"] = [entry.tokens for entry in entries]
            columns["start"] = [np.array(entry.starts, dtype=np.int32) for entry in entries]
            columns["end"] = [np.array(entry.ends, dtype=np.int32) for entry in entries]
        vectors = new[len(columns) :]
        for k, name in enumerate(vectors):
            columns[name] = [rows[..., k, :] if choice.several else rows for rows in arrays]
        return build(columns, spec)

    def _opened(self, batch: Any) -> tuple[list[str], list[Raw], Callable[[Any, Spec], Any]]:
        """Names of the columns, the texts, and what makes a batch of the same kind."""
        get: Callable[[], list[Raw]]
        build: Callable[[Any, Spec], Any]
        if isinstance(batch, dict):
            names, get = list(batch), lambda: list(batch[self.column])
            build = lambda new, spec: {  # noqa: E731
                **batch,
                **{name: _as_array(values) for name, values in new.items()},
            }
        elif hasattr(batch, "append_column"):
            names, get = batch.column_names, lambda: batch.column(self.column).to_pylist()
            build = lambda new, spec: _extended(batch, new, spec)  # noqa: E731
        elif hasattr(batch, "assign") and hasattr(batch, "columns"):
            names, get = list(batch.columns), lambda: batch[self.column].tolist()
            build = lambda new, spec: batch.assign(  # noqa: E731
                **{name: _as_lists(values) for name, values in new.items()}
            )
        else:
            raise EmbeddingError(
                f"the batch is a {type(batch).__name__}: expected a dict of arrays, a table of "
                "pyarrow, or a data frame of pandas"
            )
        if self.column not in names:
            raise EmbeddingError(f"no column {self.column!r}, only {', '.join(map(repr, names))}")
        return names, get(), build

    def _names(self, spec: Spec) -> list[str]:
        names = vector_columns(spec)
        if self.pool:
            return names
        return ["tokens", "start", "end", *(["vectors"] if names == ["vector"] else names)]

    def _load(self) -> tuple[Source, LayerChoice, Spec]:
        if self._loaded is None:
            threads = _cpus_of_actor() if self.threads is None else self.threads
            if threads is not None:
                torch.set_num_threads(threads)
            source = open_source(
                self.weights, lang=self.lang, tokenized=self.tokenized, precision=self.precision
            )
            config = source.lm.config
            choice = choose_layers(self.layers, config.n_outputs)
            spec = Spec(config.width, tuple(choice.labels), choice.several, self.dtype, self.pool)
            self._loaded = source, choice, spec
        return self._loaded

    def _embed(self, texts: Sequence[Any]) -> tuple[list[Entry], list[Array]]:
        source, choice, spec = self._load()
        raws = [list(t) if isinstance(t, (np.ndarray, tuple)) else t for t in texts]
        for number, raw in enumerate(raws):
            check_raw(number, raw)
        entries = source.reader(raws)
        # With a cache of its own: what a batch gives does not depend on those before.
        arrays = []
        rows = source.vectors(source.encoder(), entries, choice)
        for number, (entry, array) in enumerate(zip(entries, rows, strict=True)):
            if self.pool:
                arrays.append(spec.cast(number, pool_mean(array, entry.rows)[None])[0])
            else:
                arrays.append(spec.cast(number, array))
        return entries, arrays


def _cpus_of_actor() -> int | None:
    """CPUs of the actor or task of Ray's that this is; None elsewhere."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    cpus = ray.get_runtime_context().get_assigned_resources().get("CPU")
    return max(1, int(cpus)) if cpus else None


def _as_array(values: Sequence[Any]) -> Array:
    """One array of values of one shape, else an array of objects."""
    shapes = {np.shape(value) for value in values}
    if len(shapes) == 1 and not isinstance(values[0], list):
        return np.stack(values)
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return array


def _as_lists(values: Sequence[Any]) -> list[Any]:
    """What a cell of a data frame holds: lists, so that Spark knows their type."""
    return [value.tolist() if isinstance(value, np.ndarray) else value for value in values]


def _extended(table: Any, new: dict[str, list[Any]], spec: Spec) -> Any:
    pa = import_pyarrow("a table")
    vector = pa.list_(pa.from_numpy_dtype(spec.dtype), spec.width)
    for name, values in new.items():
        lengths = np.array([len(value) for value in values], dtype=np.int64)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
        if name == "tokens":
            column = pa.array(values, pa.list_(pa.string()))
        elif name in ("start", "end"):
            flat = np.concatenate([np.zeros(0, dtype=np.int32), *values])
            column = pa.ListArray.from_arrays(offsets, pa.array(flat))
        else:
            rows = np.concatenate([np.zeros((0, spec.width)), *map(np.atleast_2d, values)])
            flat = pa.array(rows.astype(spec.dtype).reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(flat, type=vector)
            if not spec.pool:
                column = pa.ListArray.from_arrays(offsets, column)
        table = table.append_column(name, column)
    return table
