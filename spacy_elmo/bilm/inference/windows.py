"""A stream of sentences through the engine: windows of bounded size, sorted into batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from spacy_elmo.bilm.batching import batched
from spacy_elmo.bilm.config import BiLMConfig
from spacy_elmo.bilm.inference.engine import Engine
from spacy_elmo.bilm.sentences import Words, checked_sentences
from spacy_elmo.types import Floats, Sentence

# Rows (sentences) that run side by side. More are at most some per cent faster, and take 60 MB more
# in a long stream; 128 are a fifth slower at 512/128 in bfloat16.
MAX_ROWS = 384
# Floats of output held at once. Large windows sort into batches of like length; with 128 MB that is
# 44,000 tokens at 1024/128 and 11,000 at 4096/512.
WINDOW_FLOATS = 32 * 2**20
# A GPU is busy with thousands of rows only, and has memory of its own for them.
MAX_ROWS_OF_GPU = 8192
WINDOW_FLOATS_OF_GPU = 4 * WINDOW_FLOATS
# Sentences of a window, whatever their length: a stream of empty ones must come out too.
WINDOW_SENTENCES = 8192

Mix = Callable[[Tensor], Tensor]
"""What is kept of the layers, (n_outputs, n_tokens, width) to (..., n_tokens, width)."""

NOT_FINITE = (
    "vectors hold NaN or infinite values: some weights of this language model (or of its mix) are "
    "too large, or a float16 `compute_dtype` or `half()` is too small for them; cosines and "
    "whatever is trained on such vectors are of no use. This is said once for these weights"
)


def window_tokens(config: BiLMConfig, device: torch.device | None = None) -> int:
    """Tokens whose layers fit into the memory of one window; None: of a CPU."""
    on_gpu = device is not None and device.type == "cuda"
    n_floats = WINDOW_FLOATS_OF_GPU if on_gpu else WINDOW_FLOATS
    return max(1, n_floats // (config.n_outputs * config.width))


def encode_windows(
    engine: Engine,
    config: BiLMConfig,
    sentences: Iterable[Words],
    *,
    mix: Mix | None,
    batch_tokens: int | None,
) -> Iterator[Floats]:
    """Arrays of each sentence, in order; see `BiLM.encode`."""
    max_tokens = window_tokens(config, engine.device)
    if batch_tokens is not None:
        if batch_tokens < 1:
            raise ValueError(f"batch_tokens is {batch_tokens}: expected at least 1")
        max_tokens = min(max_tokens, batch_tokens)
    windows = batched(
        checked_sentences(sentences), len, max_size=max_tokens, max_items=WINDOW_SENTENCES
    )
    for window in windows:
        yield from encode_window(engine, window, mix, max_tokens)


def encode_window(
    engine: Engine, window: Sequence[Sentence], mix: Mix | None, max_tokens: int
) -> list[Floats]:
    """Arrays of each sentence of one window."""
    arrays: dict[int, Floats] = {}
    lengths = [len(words) for words in window]
    longest_first = sorted(range(len(window)), key=lambda index: -lengths[index])
    max_rows = MAX_ROWS_OF_GPU if engine.device.type == "cuda" else MAX_ROWS
    batches = batched(longest_first, lengths.__getitem__, max_size=max_tokens, max_items=max_rows)
    for batch in batches:
        # What the caller computes in half precision is the caller's: `compute_dtype` is ours.
        with torch.inference_mode(), torch.autocast(engine.device.type, enabled=False):
            layers = engine.run([window[index] for index in batch])
            kept = (layers if mix is None else mix(layers)).float()
            # A sum mostly says so, at a fraction of the time.
            if not engine.told_not_finite and not kept.sum().isfinite():
                engine.told_not_finite = not bool(kept.isfinite().all())
                if engine.told_not_finite:
                    warnings.warn(NOT_FINITE, RuntimeWarning, stacklevel=2)
            result = kept.cpu().numpy()
        start = 0
        for index in batch:
            end = start + lengths[index]
            # Copied: a view would keep the whole batch alive.
            arrays[index] = result[..., start:end, :].copy()
            start = end
    return [arrays[index] for index in range(len(window))]
