"""Layers of sentences that were read before: what makes training on a frozen model cheap."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.fork_lock import ForkLock
from spacy_elmo.types import Floats


class LayerCache:
    """Keeps the layers of sentences by their words, up to a number of bytes, once it is filled.

    A sentence's layers depend on its words and the weights alone, so texts may change as they
    like; other weights have another cache. When the cache is full, what is in it stays:
    training goes round through the same texts, and to drop the oldest would be to drop always what
    is needed next; so it is, after one warning, when the disk is full. Safe to use from several
    threads.

    Args:
        kind: "memory", or "disk": a temporary file, gone with the process.
        max_bytes: Bound of what is kept.
        half: Keep float16, half the size, with a relative error of up to 5e-4.

    Attributes:
        is_filling: Whether what is computed now is kept: from the first training batch on, for
            these texts will come again.
        n_bytes: What is kept.
    """

    def __init__(self, kind: str, max_bytes: int, half: bool = False) -> None:
        self.kind = kind
        self.max_bytes = max_bytes
        self.half = half
        self.is_filling = False
        self.n_bytes = 0
        self._lock = ForkLock()
        # What is kept in memory, or the place in the file and the shape.
        self._kept: dict[bytes, Any] = {}
        self._file: Any = None
        self._stopped = False
        self._pauses = 0
        self._owner = os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        return LayerCache, (self.kind, self.max_bytes, self.half)  # copies start empty

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, words: Sequence[str]) -> Floats | None:
        """Layers of a sentence, or None. *Shape:* (n_layers, n_words, width)."""
        kept = None if self._pauses else self._kept.get(_key(words))
        if kept is None:
            return None
        if self.kind == "memory":
            array: Floats = kept.astype(np.float32, copy=False)
            return array
        place, shape = kept
        dtype = np.dtype(np.float16 if self.half else np.float32)
        data = self._read(place, dtype.itemsize * int(np.prod(shape)))
        return np.frombuffer(data, dtype=dtype).reshape(shape).astype(np.float32, copy=False)

    def put(self, words: Sequence[str], layers: Floats) -> None:
        """Keep the layers of a sentence if there is room. *Shape:* (n_layers, n_words, width)."""
        if self._stopped or self._pauses:
            return
        with np.errstate(over="ignore"):
            array = np.array(layers, dtype=np.float16 if self.half else np.float32)
        # A forked process shares the file, and must not write where its parent does.
        if os.getpid() != self._owner or not np.isfinite(array).all():
            return
        with self._lock:
            self._keep(_key(words), array)

    def _keep(self, key: bytes, array: NDArray[Any]) -> None:
        # All of it under the lock: two threads may have computed the same sentence, and whoever
        # finds an entry finds it whole.
        if (
            self._stopped
            or self._pauses
            or key in self._kept
            or self.n_bytes + array.nbytes > self.max_bytes
        ):
            return
        if self.kind == "memory":
            array.flags.writeable = False  # it is handed out as it is
            self._kept[key] = array
        else:
            try:
                self._write(array.tobytes())
            except OSError as error:
                self._stop(error)
                return
            self._kept[key] = self.n_bytes, array.shape
        self.n_bytes += array.nbytes

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Neither give nor take anything inside the block, in which other weights are used."""
        with self._lock:
            self._pauses += 1
        try:
            yield
        finally:
            with self._lock:
                self._pauses -= 1

    def _write(self, data: bytes) -> None:
        if self._file is None:
            # Unbuffered: what a full disk refused would stay in a buffer, and fail again later.
            self._file = tempfile.TemporaryFile(prefix="spacy-elmo-", buffering=0)  # noqa: SIM115
        self._file.seek(self.n_bytes)
        rest = memoryview(data)
        while rest:  # a disk that fills up takes a part of them
            rest = rest[self._file.write(rest) :]

    def _stop(self, error: OSError) -> None:
        self._stopped = True
        if self._file is not None:
            with suppress(OSError):  # nobody reads what is behind the last whole entry
                self._file.truncate(self.n_bytes)
        folder = tempfile.tempdir or "the temporary folder"
        warnings.warn(
            f'cache = "disk" stops at {self.n_bytes:,} bytes: its file in {folder} cannot be '
            f"written ({error}). Training goes on with what is kept, and computes the other texts "
            "anew in each epoch. For all to be kept, make room there, name a folder with more of "
            "it in the environment variable TMPDIR, or set cache_half = true; a lower cache_gb "
            "leaves room for other files",
            stacklevel=4,
        )

    def _read(self, place: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            # Forked processes share the file's position, and would get in each other's way.
            return os.pread(self._file.fileno(), size, place)
        with self._lock:
            self._file.seek(place)
            data: bytes = self._file.read(size)
            return data


def _key(words: Sequence[str]) -> bytes:
    # Lengths first: no two lists of words have the same bytes.
    units = [word.encode("utf-8", "surrogatepass") for word in words]
    digest = blake2b(np.array([len(unit) for unit in units], dtype="<u4").tobytes(), digest_size=16)
    digest.update(b"|")
    digest.update(b"".join(units))
    return digest.digest()
