"""Weight formats: recognising, reading and writing them. No spaCy."""

from spacy_elmo.errors import WeightsError
from spacy_elmo.formats.loading import FORMATS, folder_of, load, resolve, save

__all__ = ["FORMATS", "WeightsError", "folder_of", "load", "resolve", "save"]
