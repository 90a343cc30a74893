"""The earlier place of `similarity`, which pickled Docs with hooks name: kept so that they load."""

from spacy_elmo.pipeline.doc.similarity import similarity

__all__ = ["similarity"]
