"""The writer of a format, chosen by the suffix of the output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spacy_elmo.embedding.spec import Spec
from spacy_elmo.embedding.writers.hdf5 import Hdf5Writer
from spacy_elmo.embedding.writers.npy import NpyWriter
from spacy_elmo.embedding.writers.npz import NpzWriter
from spacy_elmo.embedding.writers.parquet import ParquetWriter
from spacy_elmo.embedding.writers.writer import Writer

SUFFIXES = (".hdf5", ".h5", ".parquet", ".npy", ".npz", ".spacy")

_ONLY_FOR = {
    "compression": (*Hdf5Writer.suffixes, *ParquetWriter.suffixes, *NpzWriter.suffixes),
    "use_sentence_keys": Hdf5Writer.suffixes,
    "forget_sentences": Hdf5Writer.suffixes,
}


def writer_class(path: str | Path) -> type[Writer]:
    """The class that writes a format.

    Args:
        path: The output.

    Raises:
        ValueError: For the suffix of no format.
    """
    suffix = Path(path).suffix.lower()
    for known in (NpyWriter, NpzWriter, Hdf5Writer, ParquetWriter):
        if suffix in known.suffixes:
            return known
    if suffix == ".spacy":
        from spacy_elmo.embedding.docs.writer import DocsWriter

        return DocsWriter
    raise ValueError(f"{path} ends in {suffix!r}: expected one of {', '.join(SUFFIXES)}")


def open_writer(path: str | Path, spec: Spec, **options: Any) -> Writer:
    """A writer for an output; see `Writer`.

    Args:
        path: The output, whose suffix says the format.
        spec: What is written.
        options: Of the format's writer; those that are None or False are left out.

    Raises:
        ValueError: For the suffix of no format, or an option that it does not have.
    """
    made = writer_class(path)
    given = {name: value for name, value in options.items() if value not in (None, False)}
    for name in given:
        if Path(path).suffix.lower() not in _ONLY_FOR.get(name, SUFFIXES):
            raise ValueError(f"{name} is for {', '.join(_ONLY_FOR[name])}, not for {path}")
    return made(path, spec, **given)
