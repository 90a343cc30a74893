"""Small models with a softmax, and what they say by the float64 oracle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from spacy_elmo.bilm import BiLM
from spacy_elmo.bilm.softmax import Softmax
from tests.bilm.oracle_cases import CASES, VOCABULARY, Array
from tests.reference.elmo import ReferenceElmo, State
from tests.reference.output_layer import log_probabilities

WORDS = [*VOCABULARY, "rates", "river"]
SENTENCES = [
    ["the", "bank", "raised", "its", "rates", "."],
    [],
    ["Zürich"],
    ["river", "<UNK>", "日本語", "the", "</S>"],
]


def with_softmax(lm: BiLM, words: list[str], seed: int = 0) -> BiLM:
    """The model with a softmax at random over some words."""
    random = torch.Generator().manual_seed(seed)
    softmax = Softmax(len(words), lm.config.projection_dim)
    with torch.no_grad():
        softmax.weight.normal_(0.0, 2.0, generator=random)
        softmax.bias.normal_(0.0, 1.0, generator=random)
    lm.softmax = softmax
    lm.set_vocabulary(words)
    return lm


def scored_model(case: str) -> tuple[ReferenceElmo, BiLM]:
    """A random model with a softmax, and its oracle."""
    found = replace(CASES[case], seed=4, scale=1.5)
    elmo, lm = found.build()
    return elmo, with_softmax(lm, VOCABULARY if found.word_input else WORDS)


def every_word(elmo: ReferenceElmo, lm: BiLM, words: list[str], state: State) -> list[Array]:
    """By definition: log probabilities of the vocabulary at each place, for each direction."""
    assert lm.softmax is not None
    weight, bias = (p.detach().double().numpy() for p in (lm.softmax.weight, lm.softmax.bias))
    top = elmo.layers_with_boundaries(words, state)[0][-1]
    halves = np.split(top, elmo.n_directions, axis=-1)
    hidden = [halves[0][:-1], *(half[1:] for half in halves[1:])]
    return [log_probabilities(each, weight, bias) for each in hidden]
