"""The network: PyTorch and numpy only, no spaCy, no file formats."""

from .bilm import BiLM
from .config import BiLMConfig, CharCNNConfig
from .scalar_mix import ScalarMix
from .softmax import Softmax

__all__ = ["BiLM", "BiLMConfig", "CharCNNConfig", "ScalarMix", "Softmax"]
