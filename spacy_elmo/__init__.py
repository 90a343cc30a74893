"""ELMo for spaCy: contextual vectors of tokens, spans and docs.

Importing the package loads neither PyTorch nor spaCy; the names below are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy_elmo import visual
    from spacy_elmo.bilm.bilm import BiLM
    from spacy_elmo.bilm.config import BiLMConfig, CharCNNConfig
    from spacy_elmo.bilm.embedding import ElmoEmbedding
    from spacy_elmo.bilm.scalar_mix import ScalarMix
    from spacy_elmo.embedding.distill import distill
    from spacy_elmo.embedding.embed import embed
    from spacy_elmo.errors import (
        CheckpointError,
        CorpusError,
        DamagedCheckpoint,
        DownloadError,
        ElmoError,
        EmbeddingError,
        TrainingError,
        WeightsError,
    )
    from spacy_elmo.pipeline.doc.attributes import register_attributes
    from spacy_elmo.pipeline.doc.similarity import similarity_matrix
    from spacy_elmo.pipeline.doc.storage import trim
    from spacy_elmo.pipeline.hooks import set_hooks

__version__ = "0.2.0"

__all__ = [
    "BiLM",
    "BiLMConfig",
    "CharCNNConfig",
    "CheckpointError",
    "CorpusError",
    "DamagedCheckpoint",
    "DownloadError",
    "ElmoEmbedding",
    "ElmoError",
    "EmbeddingError",
    "ScalarMix",
    "TrainingError",
    "WeightsError",
    "__version__",
    "distill",
    "embed",
    "register_attributes",
    "set_hooks",
    "similarity_matrix",
    "trim",
    "visual",
]

_HOME = {
    "BiLM": "spacy_elmo.bilm.bilm",
    "BiLMConfig": "spacy_elmo.bilm.config",
    "CharCNNConfig": "spacy_elmo.bilm.config",
    "CheckpointError": "spacy_elmo.errors",
    "CorpusError": "spacy_elmo.errors",
    "DamagedCheckpoint": "spacy_elmo.errors",
    "DownloadError": "spacy_elmo.errors",
    "ElmoEmbedding": "spacy_elmo.bilm.embedding",
    "ElmoError": "spacy_elmo.errors",
    "EmbeddingError": "spacy_elmo.errors",
    "ScalarMix": "spacy_elmo.bilm.scalar_mix",
    "TrainingError": "spacy_elmo.errors",
    "WeightsError": "spacy_elmo.errors",
    "distill": "spacy_elmo.embedding.distill",
    "embed": "spacy_elmo.embedding.embed",
    "register_attributes": "spacy_elmo.pipeline.doc.attributes",
    "set_hooks": "spacy_elmo.pipeline.hooks",
    "similarity_matrix": "spacy_elmo.pipeline.doc.similarity",
    "trim": "spacy_elmo.pipeline.doc.storage",
}
# Packages of their own.
_ROOMS = ("visual",)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # the next access no longer comes here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_ROOMS})
