"""Weight formats: recognising, reading and writing them. No spaCy."""

from spacy_elmo.errors import WeightsError
from spacy_elmo.formats.loading import FORMATS, load, papers_of, resolve, save

__all__ = ["FORMATS", "WeightsError", "load", "papers_of", "resolve", "save"]
