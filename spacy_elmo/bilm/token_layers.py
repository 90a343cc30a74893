"""The token layers there are, and which of them a config asks for."""

from __future__ import annotations

from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.many_langs import ManyLangsEncoder
from spacy_elmo.bilm.token_encoder import CharCNN, WordEmbedding

TokenEncoder = CharCNN | WordEmbedding | ManyLangsEncoder


def build_token_encoder(config: BiLMConfig) -> TokenEncoder:
    """The token layer a config asks for, its parameters not yet initialised."""
    if config.many_langs is not None:
        return ManyLangsEncoder(config.many_langs, config.n_words, config.projection_dim)
    if config.char_cnn is not None:
        return CharCNN(config.char_cnn, config.projection_dim)
    assert config.n_words is not None
    return WordEmbedding(config.n_words, config.projection_dim)
