"""Checkpoints as TensorFlow writes them, by a writer of the tests' own."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.reference.weights import random_weights

Array = np.ndarray[Any, Any]

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
WORDS = ["<S>", "</S>", "<UNK>", "the", "bank", "raised", "Zürich", "."]


# CRC-32C, one byte after the other

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data: bytes, before: int = 0) -> int:
    crc = before ^ 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


# Messages


def varint(value: int) -> bytes:
    out = bytearray()
    value %= 2**64
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A number; as in proto3, none that is 0."""
    return varint(field << 3) + varint(value) if value else b""


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def entry(
    dtype: int, shape: tuple[int, ...], shard: int, offset: int, size: int, crc: int
) -> bytes:
    sizes = b"".join(message(2, number(1, n)) for n in shape)
    numbers = number(3, shard) + number(4, offset) + number(5, size)
    return number(1, dtype) + message(2, sizes) + numbers + b"\x35" + struct.pack("<I", crc)


def header(n_shards: int, *, big_endian: bool = False, min_consumer: int = 0) -> bytes:
    version = number(1, 1) + number(2, min_consumer)
    return number(1, n_shards) + number(2, int(big_endian)) + message(3, version)


# Tables


def block(pairs: list[tuple[bytes, bytes]], restart_interval: int) -> bytes:
    out, restarts, last = bytearray(), [], b""
    for k, (key, value) in enumerate(pairs):
        shared = 0
        if k % restart_interval:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        else:
            restarts.append(len(out))
        own = key[shared:]
        out += varint(shared) + varint(len(own)) + varint(len(value)) + own + value
        last = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(
    values: Mapping[bytes, bytes],
    *,
    block_size: int = 4096,
    restart_interval: int = 16,
    compression: int = 0,
) -> bytes:
    """A table of keys and values, in blocks of at least `block_size` bytes."""
    out, directory = bytearray(), []

    def add(content: bytes) -> bytes:
        place = varint(len(out)) + varint(len(content))
        kind = bytes([compression])
        out.extend(content + kind + struct.pack("<I", masked(content + kind)))
        return place

    pairs: list[tuple[bytes, bytes]] = []
    for key, value in sorted(values.items()):
        pairs.append((key, value))
        if sum(len(k) + len(v) for k, v in pairs) >= block_size:
            directory.append((key, add(block(pairs, restart_interval))))
            pairs = []
    if pairs:
        directory.append((pairs[-1][0] + b"\xff", add(block(pairs, restart_interval))))
    places = add(block([], 1)) + add(block(directory, 1))
    return bytes(out) + places.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


# Checkpoints


def write_checkpoint(
    prefix: Path,
    variables: Mapping[str, Array],
    *,
    n_shards: int = 1,
    entries: Mapping[str, bytes] | None = None,
    head: bytes | None = None,
    **layout: int,
) -> None:
    """Write `prefix.index` and its data files, the variables dealt out to these in turn.

    Args:
        prefix: Path without its ending.
        variables: By name.
        n_shards: Number of data files.
        entries: Messages of variables in place of the right ones.
        head: The header in place of the right one.
        layout: Of the index, see `table`.
    """
    shards = [bytearray() for _ in range(n_shards)]
    values = {b"": header(n_shards) if head is None else head}
    for k, (name, array) in enumerate(sorted(variables.items())):
        shard = shards[k % n_shards]
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        message = entry(
            *(TYPES[array.dtype.name], array.shape, k % n_shards),
            *(len(shard), len(data), masked(data)),
        )
        values[name.encode()] = message
        shard += data
    values |= {name.encode(): value for name, value in (entries or {}).items()}
    prefix.parent.mkdir(parents=True, exist_ok=True)
    for k, shard in enumerate(shards):
        prefix.with_name(f"{prefix.name}.data-{k:05d}-of-{n_shards:05d}").write_bytes(shard)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(values, **layout))


# Models


def small_options(**lstm: Any) -> dict[str, Any]:
    """As in an `options.json` of a training."""
    words = lstm.pop("words", False)
    options: dict[str, Any] = {
        "bidirectional": lstm.pop("bidirectional", True),
        "dropout": 0.1,
        "lstm": {
            "dim": 5,
            "projection_dim": 4,
            "n_layers": 2,
            "use_skip_connections": True,
            "cell_clip": 3,
            "proj_clip": 3,
            **lstm,
        },
        "n_tokens_vocab": len(WORDS),
    }
    if not words:
        options["char_cnn"] = {
            "embedding": {"dim": 3},
            "filters": [[1, 2], [2, 3]],
            "n_highway": 1,
            "n_characters": 261,
            "max_characters_per_token": 10,
            "activation": "relu",
        }
    return options


def network_weights(
    options: Mapping[str, Any], *, lstm_projection: bool = True, seed: int = 0
) -> dict[str, Array]:
    """Random weights by their names in HDF5 files, as the oracle reads them."""
    return random_weights(
        options,
        np.random.default_rng(seed),
        n_words=None if "char_cnn" in options else len(WORDS),
        lstm_projection=lstm_projection,
    )


def softmax_weights(width: int, *, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed + 100)
    rows = rng.normal(size=(len(WORDS), width)).astype(np.float32)
    return {"softmax/W": rows, "softmax/b": rng.normal(size=len(WORDS)).astype(np.float32)}


def training_names(weights: Mapping[str, Array], options: Mapping[str, Any]) -> dict[str, Array]:
    """The weights under the names that bilm-tf's training gives them in TensorFlow 1.2."""
    variables = {}
    for name, array in weights.items():
        if name.startswith("RNN_"):
            group, last = name.rsplit("/", 1)
            direction, _, _, layer, _ = group.split("/")
            scope = f"{direction}/rnn" if options["bidirectional"] else "rnn"
            if options["lstm"]["n_layers"] > 1:
                scope += f"/multi_rnn_cell/cell_{layer.removeprefix('Cell')}"
            inner = {"W_0": "kernel", "B": "bias", "W_P_0": "projection/kernel"}[last]
            name = f"{scope}/lstm_cell/{inner}"
        variables[f"lm/{name}"] = array
    return variables


def with_slots(variables: Mapping[str, Array], optimizer: str = "Adagrad") -> dict[str, Array]:
    """With what the optimizer keeps, and the counters of the training."""
    slots = {f"{name}/{optimizer}": np.ones_like(array) for name, array in variables.items()}
    counters = {name: np.float32(240.0).reshape(()) for name in ("global_step", "train_perplexity")}
    return {**variables, **slots, **counters}


def write_model(
    folder: Path,
    options: Mapping[str, Any],
    weights: Mapping[str, Array],
    softmax: Mapping[str, Array] | None = None,
    *,
    prefix: str = "model.ckpt-240",
    **layout: int,
) -> dict[str, Array]:
    """Write a folder as bilm-tf's training leaves it. Returns the variables."""
    variables = with_slots(training_names({**weights, **(softmax or {})}, options))
    write_checkpoint(folder / prefix, variables, **layout)
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "/there/{prefix}"\n')
    (folder / "options.json").write_text(json.dumps(options))
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in WORDS), "utf8")
    return variables
