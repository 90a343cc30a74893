"""The folders of ELMoForManyLangs (Che et al. 2018), whose models are for 44 languages.

A folder holds `token_embedder.pkl` and `encoder.pkl`, pickled tensors; `char.dic` and `word.dic`,
the rows of its tables; `config.json`, which is the command line of its training, and names the file
that describes the network. There is no softmax.
"""

from spacy_elmo.formats.elmoformanylangs.reader import read, recognise
from spacy_elmo.formats.format import Format

FORMAT = Format(
    description="a folder of ELMoForManyLangs (encoder.pkl, token_embedder.pkl, *.dic)",
    recognise=recognise,
    read=read,
)

__all__ = ["FORMAT"]
