"""`.npz`: an array per entry, for small inputs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from spacy_elmo.embedding.writers.store import StoreWriter

_METHODS = {"none": zipfile.ZIP_STORED, "deflate": zipfile.ZIP_DEFLATED}


class NpzWriter(StoreWriter):
    """Writes arrays "0", "1", ..., with the shapes of the HDF5 file; see `StoreWriter`."""

    suffixes = (".npz",)
    compressions = tuple(_METHODS)
    entry_bytes = 400

    def _put_together(self, out: Path) -> None:
        method = _METHODS[self.compression]
        with zipfile.ZipFile(out / self.path.name, "w", method, allowZip64=True) as archive:
            for stored in self._stored():
                # With a date of its own, so that the same arrays make the same file.
                member = zipfile.ZipInfo(f"{stored.number}.npy")
                member.compress_type = method
                with archive.open(member, "w", force_zip64=True) as file:
                    array = np.ascontiguousarray(self._in_layers(stored))
                    np.lib.format.write_array(file, array, allow_pickle=False)
