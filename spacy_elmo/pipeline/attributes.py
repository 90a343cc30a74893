"""The earlier place of `similarity`, which pickled Docs with hooks name: kept so that they load."""

from spacy_elmo.pipeline.doc.attributes import similarity

__all__ = ["similarity"]
