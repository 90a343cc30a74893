"""Vectors of words in their sentences, from the biLM: per layer, and with the mean taken off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluation.readers import EVAL, Marked, sample_text
from spacy_elmo import BiLM

Floats = NDArray[np.float32]
TEXT = sorted((EVAL / "lm" / "mix-valid").glob("*.txt"))
"""Text to measure means on: the validation text of the pretraining mix."""


class Variant(NamedTuple):
    """What a vector is. model: Name of the encoder. layer: Which of its vectors. centred: Whether
    the mean vector is subtracted."""

    model: str
    layer: str
    centred: bool

    def cells(self) -> tuple[str, str, str]:
        """The first columns of a table."""
        return self.model, self.layer, "yes" if self.centred else "no"


HEADER = ("model", "vector", "centred")

Encoder = Callable[[Sequence[Marked]], dict[Variant, Floats]]
"""Words in sentences to their vectors in several variants. *Shape:* (n_words, width) each."""


@dataclass(frozen=True)
class ElmoEncoder:
    """Every layer of a biLM, their plain average, and the context: as they are and centred.

    The context is what stands around a word, the top layer's states of its neighbours; the mean of
    that layer centres it.

    mean: *Shape:* (n_outputs, width).
    """

    name: str
    lm: BiLM
    mean: Floats

    def __call__(self, marked: Sequence[Marked]) -> dict[Variant, Floats]:
        """Encode each sentence, and keep the layers of its word."""
        found = self.lm.stream(words for words, _ in marked)
        edges = self.lm.encoder.edges(self.lm)[-1]
        parts, around = [], []
        for word, layers in zip(marked, found, strict=True):
            parts.append(layers[:, word.place])
            around.append(beside(layers[-1], edges, word.place, self.lm.config.projection_dim))
        return self.variants(np.stack(parts, axis=1), np.stack(around))

    def variants(self, layers: Floats, context: Floats) -> dict[Variant, Floats]:
        """layers: *Shape:* (n_outputs, n_words, width). context: *Shape:* (n_words, width)."""
        names = ["token layer", *(f"layer {k}" for k in range(1, len(layers)))]
        result: dict[Variant, Floats] = {}
        for centred, mean in ((False, np.zeros_like(self.mean)), (True, self.mean)):
            values = layers - mean[:, None]
            result |= {Variant(self.name, name, centred): values[k] for k, name in enumerate(names)}
            result[Variant(self.name, "average", centred)] = values.mean(axis=0)
            result[Variant(self.name, "context", centred)] = context - mean[-1]
        return result


def beside(states: Floats, edges: Floats, place: int, half: int) -> Floats:
    """The states around one word: forwards before it, backwards after it. *Shape:* (width,).

    states: Of a sentence, *Shape:* (n_words, width). edges: At its ends. half: Width of a
    direction.
    """
    before = states[place - 1] if place else edges
    after = states[place + 1] if place + 1 < len(states) else edges
    return np.concatenate([before[:half], after[half:]])


def elmo_encoders(
    weights: str, states: Sequence[str] | None, text: Sequence[list[str]]
) -> list[ElmoEncoder]:
    """The same weights starting from each of the initial states; None: from their own.

    text: Running text for the mean vector, and for a warm state where the weights have none.
    """
    encoders = []
    chosen: Sequence[str | None] = states or [None]
    for state in chosen:
        lm = BiLM.from_pretrained(weights)
        name = Path(weights).name
        if state is not None:
            if state == "warm" and lm.initial_h is None:
                lm.warm_up(text[:500])
            lm.initial_state = state
            name += f", {state}"
        lm.measure_mean(text)
        assert lm.mean_layers is not None
        encoders.append(ElmoEncoder(name, lm, lm.mean_layers.cpu().numpy()))
    return encoders


def read_sample(text: Sequence[Path] | None, n_words: int) -> list[list[str]]:
    """Running text for the mean vector; None: the validation text of the pretraining mix."""
    paths = list(text or TEXT)
    if not paths:
        raise SystemExit("no text for the mean vector: give some with --text")
    return sample_text(paths, n_words)


def unit(vectors: Floats) -> Floats:
    """Rows scaled to length 1; a zero row stays."""
    norms = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    scaled: Floats = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return scaled
