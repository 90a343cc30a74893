"""Where version 0.1.0 kept `Rows`: Docs that were pickled with it name this module."""

from spacy_elmo.pipeline.doc.storage import Rows

__all__ = ["Rows"]
