"""Models of AllenNLP that have an ELMo inside: their folders, as an archive or a training leaves.

The network is that of `allennlp.modules.elmo` (0.9 and 2.10, Apache-2.0), whose names, shapes and
signs `names.py` translates. Of an archive only the unpacked folder is seen here.
"""

from spacy_elmo.formats.allennlp.reader import FORMAT

__all__ = ["FORMAT"]
