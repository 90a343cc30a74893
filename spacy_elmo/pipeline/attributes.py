"""Where version 0.1.0 kept `similarity`: Docs with hooks that were pickled with it name this."""

from spacy_elmo.pipeline.doc.attributes import similarity

__all__ = ["similarity"]
