"""A prepared corpus, or a trained model, as files of bounded size, to be sent to other machines.

A corpus becomes tar files of compressed blocks of sentences. The first one holds the types, too,
without which nothing can be read; of the others any may be missing. A folder becomes one tar file,
cut into pieces.
"""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.errors import CorpusError
from spacy_elmo.pretraining.corpus.checks import CHECKSUM, checksum
from spacy_elmo.pretraining.corpus.corpus import Corpus

CORPUS_PART = 40 << 20
FOLDER_PART = 15 << 20
BLOCK_TOKENS = 4_000_000
# Types from this one on are rare and stand apart, so that all others fit into 16 bits.
RARE = (1 << 16) - 1
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lp": 1, "lc": 2, "pb": 1}]
KINDS = {"lengths": "<u4", "ids": "<u2", "rare": "<u4"}
Members = list[tuple[str, bytes]]


def pack_corpus(
    corpus: Corpus, folder: Path, name: str, part_bytes: int = CORPUS_PART
) -> list[Path]:
    """Write a prepared corpus as parts.

    Args:
        corpus: The corpus.
        folder: Where to write, made if missing.
        name: First part of the files' names: `NAME-00.tar` and so on.
        part_bytes: Largest size of a file.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{name}-*.tar"):
        old.unlink()
    first: Members = [
        ("corpus.json", json.dumps(corpus.meta).encode()),
        ("types.xz", _packed("\n".join(corpus.types).encode())),
    ]
    paths: list[Path] = []
    with ThreadPoolExecutor() as pool:
        blocks = pool.map(lambda block: _pack_block(corpus, *block), _block_bounds(corpus))
        for members in _grouped(chain([first], blocks), part_bytes):
            paths.append(folder / f"{name}-{len(paths):02d}.tar")
            with tarfile.open(paths[-1], "w") as archive:
                for member, data in members:
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return paths


def unpack_corpus(parts: Sequence[Path], folder: Path) -> None:
    """Write the prepared corpus that some parts hold.

    Args:
        parts: Files of one corpus, the first among them; others may be missing.
        folder: Where to write, made if missing.

    Raises:
        CorpusError: Without the first part, or for a damaged one.
    """
    members: dict[str, bytes] = {}
    for path in parts:
        try:
            with tarfile.open(path, "r:") as archive:
                for info in archive:
                    file = archive.extractfile(info)
                    if file is not None:
                        members[info.name] = file.read()
        except (tarfile.TarError, EOFError) as error:
            raise CorpusError(f"{path} is no part of a corpus, or cut short: {error}") from error
    if "types.xz" not in members:
        raise CorpusError(f"the first part, which holds the types, is not among {len(parts)} parts")
    meta: dict[str, Any] = json.loads(members["corpus.json"])
    types = lzma.decompress(members["types.xz"]).decode().split("\n")
    names = sorted({name.split(".")[0] for name in members if name[0].isdigit()})
    with ThreadPoolExecutor() as pool:  # decompression lets other threads run
        blocks = list(pool.map(lambda name: _unpack_block(members, name), names))
    lengths = np.concatenate([lengths for lengths, _ in blocks])
    tokens = np.concatenate([tokens for _, tokens in blocks])
    sentences = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    meta |= {"n_tokens": len(tokens), "n_sentences": len(lengths)}
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "tokens.npy", tokens)
    np.save(folder / "sentences.npy", sentences)
    np.save(folder / "characters.npy", character_ids(types, meta["max_characters_per_token"]))
    for name, words in (("types.txt", types), ("vocab.txt", types[: meta["n_vocabulary"]])):
        (folder / name).write_bytes("".join(f"{word}\n" for word in words).encode())
    meta[CHECKSUM] = checksum(folder)
    (folder / "corpus.json").write_text(json.dumps(meta, indent=2) + "\n", "utf8")


def split_folder(source: Path, folder: Path, part_bytes: int = FOLDER_PART) -> list[Path]:
    """Write the files of a folder, without its folders, as pieces of one tar file.

    Each piece appears complete; those of an earlier call are replaced one by one.

    Args:
        source: The folder.
        folder: Where to write, made if missing.
        part_bytes: Size of a piece.

    Returns:
        The files, `NAME.tar.00` and so on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for path in sorted(source.iterdir()):
            if path.is_file():
                archive.add(path, arcname=path.name)
    data = whole.getbuffer()
    paths: list[Path] = []
    for start in range(0, len(data), part_bytes):
        path = folder / f"{source.name}.tar.{len(paths):02d}"
        aside = path.with_name(path.name + ".tmp")
        aside.write_bytes(data[start : start + part_bytes])
        aside.replace(path)
        paths.append(path)
    return paths


def join_folder(parts: Sequence[Path], folder: Path) -> None:
    """Put together what `split_folder` cut.

    Args:
        parts: All pieces of one folder.
        folder: Where to write its files, made if missing.

    Raises:
        ValueError: When the pieces do not make a whole.
    """
    whole = io.BytesIO(b"".join(path.read_bytes() for path in sorted(parts)))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=whole, mode="r:") as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{len(parts)} pieces do not make a whole: {error}") from error


def _block_bounds(corpus: Corpus) -> Iterator[tuple[int, int, int]]:
    """Number, first sentence and end of each block."""
    ends = corpus.sentences
    first, number = 0, 0
    while first < corpus.n_sentences:
        end = int(np.searchsorted(ends, ends[first] + BLOCK_TOKENS, side="right")) - 1
        end = min(max(end, first + 1), corpus.n_sentences)
        yield number, first, end
        first, number = end, number + 1


def _pack_block(corpus: Corpus, number: int, first: int, end: int) -> Members:
    bounds = corpus.sentences[first : end + 1]
    tokens = np.asarray(corpus.tokens[bounds[0] : bounds[-1]])
    arrays: dict[str, NDArray[Any]] = {
        "lengths": np.diff(bounds),
        "ids": np.minimum(tokens, RARE),
        "rare": tokens[tokens >= RARE],
    }
    return [
        (f"{number:05d}.{kind}.xz", _packed(arrays[kind].astype(dtype).tobytes()))
        for kind, dtype in KINDS.items()
    ]


def _unpack_block(
    members: dict[str, bytes], name: str
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    lengths, ids, rare = (
        np.frombuffer(lzma.decompress(members[f"{name}.{kind}.xz"]), dtype)
        for kind, dtype in KINDS.items()
    )
    tokens = ids.astype("<u4")
    tokens[ids == RARE] = rare
    return lengths, tokens


def _packed(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_XZ, filters=FILTERS)


def _grouped(blocks: Iterable[Members], part_bytes: int) -> Iterator[Members]:
    """Blocks put together into parts of bounded size."""
    group: Members = []
    size = 20_480  # a tar file's end
    for block in blocks:
        grown = sum(len(data) + 1_024 for _, data in block)
        if group and size + grown > part_bytes:
            yield group
            group, size = [], 20_480
        group = group + block
        size += grown
    if group:
        yield group
