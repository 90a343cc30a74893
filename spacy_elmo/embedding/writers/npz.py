"""`.npz`: an array per entry, for small inputs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.store import StoreWriter

COMPRESSIONS = {"none": zipfile.ZIP_STORED, "deflate": zipfile.ZIP_DEFLATED}


class NpzWriter(StoreWriter):
    """Writes arrays "0", "1", ..., with the shapes of the HDF5 file; see `Writer`.

    Args:
        path: The output.
        spec: What is written.
        compression: "none" or "deflate".
        force: Replace an output that exists, and what another run left.
        identity: What tells this run from others, beside `spec`.
    """

    suffixes = (".npz",)
    entry_bytes = 400

    def __init__(
        self,
        path: str | Path,
        spec: Spec,
        *,
        compression: str | None = None,
        force: bool = False,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self.compression = compression or "none"
        if self.compression not in COMPRESSIONS:
            raise ValueError(
                f"compression is {compression!r}: for .npz expected {', '.join(COMPRESSIONS)}"
            )
        super().__init__(path, spec, force=force, identity=identity)

    def identity(self) -> dict[str, Any]:
        """Options of the format that make a difference to the output."""
        return {"compression": self.compression}

    def _put_together(self, out: Path) -> None:
        method = COMPRESSIONS[self.compression]
        with zipfile.ZipFile(out / self.path.name, "w", method, allowZip64=True) as archive:
            for stored in self._stored():
                # With a date of its own, so that the same arrays make the same file.
                member = zipfile.ZipInfo(f"{stored.number}.npy")
                member.compress_type = method
                with archive.open(member, "w", force_zip64=True) as file:
                    array = np.ascontiguousarray(self._in_layers(stored))
                    np.lib.format.write_array(file, array, allow_pickle=False)
