"""The mean vector of running text, which centred similarity subtracts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from spacy_elmo.bilm.inference.windows import Sentence

if TYPE_CHECKING:
    from spacy_elmo.bilm.bilm import BiLM


def mean_layers(lm: BiLM, sentences: Iterable[Sentence]) -> Tensor:
    """Mean of each layer over the words of some text.

    Vectors of a language model lie in a narrow cone, so that the cosine of any two is well above
    zero; without their common part it says more (Mu and Viswanath 2018, "All-but-the-top").

    sentences: Lists of words; some ten thousand words are plenty.

    Returns what `lm.mean_layers` can hold. *Shape:* (n_outputs, width).

    Raises ValueError when there is no word.
    """
    total = torch.zeros(lm.config.n_outputs, lm.config.width, dtype=torch.float64)
    n_words = 0
    for layers in lm.stream(sentences):
        total += torch.from_numpy(layers).sum(dim=1, dtype=torch.float64)
        n_words += layers.shape[1]
    if not n_words:
        raise ValueError("the mean needs some text: at least one sentence with a word")
    return (total / n_words).to(lm.device, torch.float32)
