"""Where the vectors come from: weights, a `BiLM`, or the `elmo` component of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.inference.encoder import Encoder
from spacy_elmo.bilm.inference.windows import window_tokens
from spacy_elmo.bilm.precision import PRECISIONS, dtype_of
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.embedding.entries import Entry, Reader, Splitter
from spacy_elmo.embedding.layers import LayerChoice
from spacy_elmo.embedding.spec import Spec
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.formats.generation import tensors_digest
from spacy_elmo.formats.loading import PACKAGED, load
from spacy_elmo.types import Floats, Sentence

if TYPE_CHECKING:
    from spacy.language import Language


@dataclass(frozen=True)
class Source:
    """A network, how it is read with, and how entries are split for it.

    Attributes:
        name: What it was given by.
        lm: The network.
        settings: Of its encoder: `initial_state`, `cache_size`, `compute_dtype`.
        reader: Splits entries.
        batch_tokens: Tokens that are computed together.
        attribute: Name of the extension attributes on Docs.
        token_attr: What is read of a token.
    """

    name: str
    lm: BiLM
    settings: dict[str, Any]
    reader: Reader
    batch_tokens: int
    attribute: str = "elmo"
    token_attr: str = "TEXT"

    def encoder(self) -> Encoder:
        """A new encoder, whose cache is empty: what it gives depends on what it reads alone."""
        return Encoder(**self.settings)

    def digest(self) -> str:
        """SHA-256 over names, shapes and bits of all weights."""
        tensors = {name: t.detach().cpu() for name, t in self.lm.state_dict().items()}
        return tensors_digest({name: t.contiguous() for name, t in tensors.items()})

    def spec(self, choice: LayerChoice, dtype: str, pool: str | None) -> Spec:
        """What an output of these layers is, with the digest of the weights; see `Spec`."""
        return Spec(
            self.lm.config.width,
            tuple(choice.labels),
            choice.several,
            dtype,
            pool,
            self.name,
            self.digest(),
        )

    def rows(
        self, encoder: Encoder, sentences: Sequence[Sentence], choice: LayerChoice
    ) -> Iterator[Floats]:
        """Rows of some sentences, computed together.

        Args:
            encoder: From `encoder`.
            sentences: The sentences.
            choice: The layers.

        Returns:
            A row per word of each sentence.
            *Shape:* (n_words, width) or (n_words, n_layers, width).
        """
        outputs = self.lm.config.n_outputs
        mix = ScalarMix(outputs).to(self.lm.device) if choice.numbers is None else None
        arrays = encoder.encode(self.lm, sentences, mix=mix, batch_tokens=self.batch_tokens)
        return map(choice.select, arrays)

    def vectors(
        self, encoder: Encoder, entries: Sequence[Entry], choice: LayerChoice
    ) -> Iterator[Floats]:
        """Rows of some entries, computed together.

        Args:
            encoder: From `encoder`.
            entries: The entries.
            choice: The layers.

        Yields:
            A row per token of each entry, zeros for white space.
            *Shape:* (n_tokens, width) or (n_tokens, n_layers, width).
        """
        sentences = [words for entry in entries for words in entry.sentences]
        arrays = self.rows(encoder, sentences, choice)
        shape = choice.shape(self.lm.config.width)
        for entry in entries:
            parts = list(islice(arrays, len(entry.sentences)))
            if len(parts) == 1 and entry.rows is None:
                yield parts[0]
                continue
            whole = np.zeros((entry.n_tokens, *shape), dtype=np.float32)
            if parts:
                whole[slice(None) if entry.rows is None else entry.rows] = np.concatenate(parts)
            yield whole


def open_source(
    model: str | Path | BiLM | Language,
    *,
    options: str | Path | None = None,
    vocab: str | Path | None = None,
    lang: str = "en",
    tokenized: bool = False,
    precision: str | None = None,
    device: str | torch.device = "cpu",
) -> Source:
    """Make a model ready to read entries.

    Args:
        model: Name or path of weights or of a saved pipeline, a `BiLM`, or a pipeline.
        options: The options file of HDF5 weights.
        vocab: The vocabulary of HDF5 weights.
        lang: Language whose tokenizer splits texts; a pipeline has its own.
        tokenized: Split texts at white space instead.
        precision: "float32", "bfloat16", "float16" or "auto"; None: as the model says.
        device: Where weights are put that are loaded here.

    Raises:
        WeightsError: If there are no such weights.
        EmbeddingError: For a pipeline without `elmo`, and weights in the state "carry".
        ValueError: For an unknown language, precision or type of model.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}: expected one of {', '.join(PRECISIONS)}")
    nlp: Any = None
    name = str(model) if isinstance(model, (str, Path)) else type(model).__name__
    if isinstance(model, (str, Path)):
        nlp = _pipeline(str(model))
        lm = load(model, options=options, vocab=vocab, device=device) if nlp is None else None
    elif isinstance(model, BiLM):
        lm = model
    elif hasattr(model, "pipe_names") and hasattr(model, "make_doc"):
        nlp, lm = model, None
    else:
        raise ValueError(
            f"the model is {model!r:.80}: expected a name or path, a BiLM, or a spaCy pipeline"
        )
    attribute, token_attr = "elmo", "TEXT"
    if nlp is not None:
        from spacy_elmo.embedding.docs.pipeline import PipelineReader

        if options is not None or vocab is not None:
            raise ValueError("options and vocab are for HDF5 weights; a pipeline has its own")
        reader = PipelineReader(nlp, tokenized=tokenized)
        loaded = reader.loaded()
        lm, encoder, batch_tokens = loaded.lm, loaded.encoder, loaded.token_budget
        attribute, token_attr = reader.component.attribute, reader.token_attr
        split: Reader = reader
    else:
        assert lm is not None
        encoder, batch_tokens = lm.encoder, window_tokens(lm.config)
        split = Splitter() if tokenized else _tokenizer(lang)
    if encoder.initial_state == "carry":
        raise EmbeddingError(
            'these weights start in the state "carry", where vectors depend on everything read '
            'before: set initial_state = "zero" or "warm" on the BiLM'
        )
    settings = {
        "initial_state": encoder.initial_state,
        "cache_size": encoder.cache_size,
        "compute_dtype": encoder.compute_dtype
        if precision is None
        else dtype_of(precision, lm.device),
    }
    return Source(name, lm, settings, split, batch_tokens, attribute, token_attr)


def _pipeline(name: str) -> Any:
    """The saved or installed pipeline of a name, or None: then it is the name of weights."""
    if name in PACKAGED:
        return None
    try:
        from spacy_elmo.embedding.docs.pipeline import load_pipeline
    except ModuleNotFoundError as error:
        if error.name != "spacy":
            raise
        return None
    return load_pipeline(name)


def _tokenizer(lang: str) -> Reader:
    try:
        from spacy_elmo.embedding.docs.tokenizer import Tokenizer
    except ModuleNotFoundError as error:
        if error.name != "spacy":
            raise
        raise EmbeddingError(
            "splitting text needs spaCy, which is not installed here: give tokenised text "
            "(`tokenized`)"
        ) from error
    return Tokenizer(lang)
