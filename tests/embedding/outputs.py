"""Reading each kind of output back, as its users do."""

from __future__ import annotations

import json
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import spacy
from spacy.tokens import DocBin

from spacy_elmo import register_attributes

SUFFIXES = ("npy", "npz", "hdf5", "h5", "parquet", "spacy")


def read(path: Path) -> list[np.ndarray]:
    """The arrays of all entries, tokens first: (n_tokens, width) or (n_tokens, layers, width)."""
    if path.suffix == ".npy":
        rows = np.load(path, mmap_mode="r" if path.stat().st_size > 256 else None)
        offsets = np.load(path.with_suffix(".offsets.npy"))
        return [np.array(rows[a:b]) for a, b in pairwise(offsets)]
    if path.suffix == ".npz":
        with np.load(path) as file:
            arrays = [file[str(k)] for k in range(len(file.files))]
    elif path.suffix in (".hdf5", ".h5"):
        with h5py.File(path) as file:
            arrays = [file[str(k)][...] for k in range(len(set(file) - {"sentence_to_index"}))]
    elif path.suffix == ".parquet":
        return read_parquet(path)
    else:
        docs = read_docs(path)
        with warnings.catch_warnings():  # where the layers were not kept
            warnings.simplefilter("ignore")
            arrays = [doc._.elmo_layers for doc in docs]
        arrays = [
            doc._.elmo_vectors if layers is None else layers
            for doc, layers in zip(docs, arrays, strict=True)
        ]
    return [array.swapaxes(0, 1) if array.ndim == 3 else array for array in arrays]


def read_parquet(path: Path) -> list[np.ndarray]:
    """By pyarrow; an entry without tokens has no rows, so those at the end are not seen."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = [name for name in table.column_names if name == "vector" or name[:6] == "layer_"]
    layers = [np.array(table[name].to_pylist(), dtype=np.float32) for name in columns]
    rows = layers[0] if columns == ["vector"] else np.stack(layers, axis=1)
    entries = np.array(table["entry"].to_pylist(), dtype=np.int64)
    return [rows[entries == k] for k in range(entries.max(initial=-1) + 1)]


def read_docs(path: Path) -> list[Any]:
    register_attributes()
    vocab = spacy.blank("en").vocab
    shards = sorted(path.parent.glob(f"{path.stem}-*.spacy"))
    assert [shard.name for shard in shards] == [
        f"{path.stem}-{k:05d}.spacy" for k in range(len(shards))
    ]
    return [doc for shard in shards for doc in DocBin().from_disk(shard).get_docs(vocab)]


def contents(path: Path) -> dict[str, Any]:
    """Everything of an output that must be the same in another run of the same kind."""
    if path.suffix in (".hdf5", ".h5"):
        with h5py.File(path) as file:
            return {
                name: (file[name].dtype, file[name][...].tobytes())
                for name in file
                if name != "sentence_to_index"
            } | {"index": json.loads(file["sentence_to_index"][0])}
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        return {"schema": (table.schema, table.schema.metadata), "rows": table.to_pydict()}
    if path.suffix == ".spacy":
        return {str(k): doc.to_bytes() for k, doc in enumerate(read_docs(path))}
    files = [path] if path.suffix == ".npz" else sorted(path.parent.glob(f"{path.stem}.*"))
    return {file.name.removeprefix(path.stem): file.read_bytes() for file in files}
