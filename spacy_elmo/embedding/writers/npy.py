"""`.npy`: the rows of all entries in one array, which is mapped into memory to be read."""

from __future__ import annotations

from pathlib import Path

from spacy_elmo.embedding.writers.store import OFFSETS, ROWS, StoreWriter
from spacy_elmo.files import link, write_json


class NpyWriter(StoreWriter):
    """Writes `NAME.npy`, `NAME.offsets.npy` and `NAME.json`; see `Writer`.

    The rows of entry k are `rows[offsets[k]:offsets[k + 1]]`; (rows, width) or (rows, layers,
    width). The JSON file says what they are.
    """

    suffixes = (".npy",)
    two_copies = False

    def existing(self) -> list[Path]:
        """Files of an output of this name that are there."""
        return [path for path in (self.path, *self._beside()) if path.exists()]

    def _beside(self) -> tuple[Path, Path]:
        return self.path.with_suffix(".offsets.npy"), self.path.with_suffix(".json")

    def _put_together(self, out: Path) -> None:
        from spacy_elmo import __version__

        offsets, described = self._beside()
        link(self.folder / ROWS, out / self.path.name)
        link(self.folder / OFFSETS, out / offsets.name)
        sizes = {"n_entries": self.n_entries, "n_rows": self.n_rows}
        values = {"format": "spacy-elmo vectors", "version": __version__}
        write_json(out / described.name, {**values, **sizes, **self.spec.to_dict()})
