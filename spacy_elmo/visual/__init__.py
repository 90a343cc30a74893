"""Pictures of what a language model makes of texts: SVG and HTML, drawn without any library."""

from spacy_elmo.visual.display import render, serve
from spacy_elmo.visual.projector import write_projector

__all__ = ["render", "serve", "write_projector"]
