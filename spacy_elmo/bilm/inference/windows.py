"""A stream of sentences through the engine: windows of bounded size, sorted into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.inference.engine import MAX_ROWS, Engine, batches
from spacy_elmo.bilm.scalar_mix import ScalarMix

Sentence = Sequence[str]

# Types whose token-layer vector is kept: 32 MB at 128 dimensions. English running text of a
# million tokens has about 50,000.
DEFAULT_CACHE_SIZE = 65_536
# Floats of output held at once. Large windows sort into batches of like length; with 128 MB that is
# 44,000 tokens at 1024/128 and 11,000 at 4096/512.
WINDOW_FLOATS = 32 * 2**20
# Sentences of a window, whatever their length: a stream of empty ones must come out too.
WINDOW_SENTENCES = 8192


def check_sentences(sentences: Iterable[Sentence]) -> list[Sentence]:
    """The sentences as a list.

    Raises ValueError, naming the place, for a sentence that is a string (forgotten to split?) or
    holds something else than strings.
    """
    return list(_checked(sentences))


def _checked(sentences: Iterable[Sentence]) -> Iterator[Sentence]:
    if isinstance(sentences, str):
        raise ValueError("expected a list of sentences, each a list of words: got a string")
    for number, words in enumerate(sentences):
        if isinstance(words, str):
            raise ValueError(
                f"sentence {number} is the string {words[:40]!r}: expected a list of words"
            )
        for word in words:
            if not isinstance(word, str):
                raise ValueError(f"sentence {number} holds {word!r}: expected words (strings)")
        yield words


def encode_windows(
    engine: Engine,
    config: BiLMConfig,
    sentences: Iterable[Sentence],
    *,
    mix: ScalarMix | None,
    batch_tokens: int | None,
) -> Iterator[NDArray[np.float32]]:
    """Arrays of each sentence, in order; see `BiLM.encode`."""
    window_tokens = max(1, WINDOW_FLOATS // (config.n_outputs * config.width))
    if batch_tokens is not None:
        if batch_tokens < 1:
            raise ValueError(f"batch_tokens is {batch_tokens}: expected at least 1")
        window_tokens = min(window_tokens, batch_tokens)
    for window in _windows(sentences, window_tokens):
        yield from encode_window(engine, window, mix, window_tokens)


def encode_window(
    engine: Engine, window: Sequence[Sentence], mix: ScalarMix | None, max_tokens: int
) -> list[NDArray[np.float32]]:
    """Arrays of each sentence of one window."""
    arrays: dict[int, NDArray[np.float32]] = {}
    lengths = [len(words) for words in window]
    for batch in batches(lengths, MAX_ROWS, max_tokens):
        # What the caller computes in half precision is the caller's: `compute_dtype` is ours.
        with torch.inference_mode(), torch.autocast(engine.device.type, enabled=False):
            layers = engine.run([window[index] for index in batch])
            result = (layers if mix is None else mix(layers)).float().cpu().numpy()
        start = 0
        for index in batch:
            end = start + lengths[index]
            # Copied: a view would keep the whole batch alive.
            arrays[index] = result[..., start:end, :].copy()
            start = end
    return [arrays[index] for index in range(len(window))]


def _windows(sentences: Iterable[Sentence], max_tokens: int) -> Iterator[list[Sentence]]:
    window: list[Sentence] = []
    n_tokens = 0
    for words in _checked(sentences):
        if window and (n_tokens + len(words) > max_tokens or len(window) == WINDOW_SENTENCES):
            yield window
            window, n_tokens = [], 0
        window.append(words)
        n_tokens += len(words)
    if window:
        yield window
