"""Checkpoints of TensorFlow, read without it: the form in which bilm-tf saves what it trains.

A checkpoint is an index, `PREFIX.index`, and one or more files of numbers,
`PREFIX.data-00000-of-00001`. It is the only form in which the softmax of a published model exists.
"""

from spacy_elmo.formats.format import Format
from spacy_elmo.formats.tensorflow import beside, reader
from spacy_elmo.formats.tensorflow.find import looks_like_one

FORMAT = Format(
    description="a checkpoint of TensorFlow (its folder, its prefix, or its .index)",
    recognise=looks_like_one,
    read=reader.read,
)

WITH_HDF5 = Format(
    description="an HDF5 file with the checkpoint it was made of beside it",
    recognise=beside.recognise,
    read=beside.read,
)
"""Comes before HDF5 alone: the checkpoint adds its softmax."""

__all__ = ["FORMAT", "WITH_HDF5"]
