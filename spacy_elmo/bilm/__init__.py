"""The network: PyTorch and numpy only, no spaCy, no file formats."""

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.config import BiLMConfig, CharCNNConfig
from spacy_elmo.bilm.many_langs_config import ManyLangsConfig
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.bilm.softmax import Softmax

__all__ = ["BiLM", "BiLMConfig", "CharCNNConfig", "ManyLangsConfig", "ScalarMix", "Softmax"]
