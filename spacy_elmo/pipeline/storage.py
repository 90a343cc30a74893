"""The earlier place of `Rows`, which pickled Docs name: kept so that they load."""

from spacy_elmo.pipeline.doc.storage import Rows

__all__ = ["Rows"]
