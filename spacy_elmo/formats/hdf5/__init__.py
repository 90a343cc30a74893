"""HDF5 weights of bilm-tf and AllenNLP, with an options file beside them.

Files written here are read by the original implementations. What they have no place for (a warm
state, the mean of the layers) is in a group of our own, where they do not look.
"""

from __future__ import annotations

from spacy_elmo.formats.format import Format
from spacy_elmo.formats.hdf5.companions import SUFFIXES
from spacy_elmo.formats.hdf5.reader import read, recognise
from spacy_elmo.formats.hdf5.writer import write

FORMAT = Format(
    description="an HDF5 file of bilm-tf or AllenNLP (.hdf5, .h5), or a folder that holds one, "
    "with options.json or *_options.json beside it",
    recognise=recognise,
    read=read,
    write=write,
    suffixes=SUFFIXES,
)
