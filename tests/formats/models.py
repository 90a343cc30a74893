"""Random models of every configuration, and what it means for two to be the same."""

from __future__ import annotations

import math

import h5py
import numpy as np
import torch
from hypothesis import strategies as st

from spacy_elmo import BiLM, BiLMConfig, CharCNNConfig
from spacy_elmo.bilm import Softmax

WORDS = ["<S>", "</S>", "<UNK>", "the", "Bank", "straße", "銀行", "🏦", "a b", "\t", "\u2028"]

TINY = BiLMConfig(
    lstm_dim=6,
    projection_dim=4,
    char_cnn=CharCNNConfig(embedding_dim=3, filters=((1, 2), (3, 5)), n_highway=1),
)
TINY_WORDS = BiLMConfig(lstm_dim=6, projection_dim=4, char_cnn=None, n_words=len(WORDS))


@st.composite
def configs(draw: st.DrawFn) -> BiLMConfig:
    """Any configuration the network knows."""
    width = draw(st.integers(1, 5))
    lstm_projection = draw(st.booleans())
    cells = draw(st.integers(1, 6)) if lstm_projection else width
    cnn = None
    if draw(st.booleans()):
        filters = draw(
            st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=3)
        )
        projection = draw(st.booleans())
        if not projection:
            filters = [(draw(st.integers(1, 4)), width)]
        cnn = CharCNNConfig(
            embedding_dim=draw(st.integers(1, 4)),
            filters=tuple(filters),
            activation=draw(st.sampled_from(["relu", "tanh"])),
            n_highway=draw(st.integers(0, 2)),
            max_characters_per_token=draw(st.integers(5, 60)),
            n_characters=draw(st.integers(261, 263)),
            projection=projection,
        )
    clips = st.none() | st.floats(0.1, 10)
    return BiLMConfig(
        lstm_dim=cells,
        projection_dim=width,
        char_cnn=cnn,
        n_words=len(WORDS) if cnn is None else None,
        lstm_projection=lstm_projection,
        n_layers=draw(st.integers(1, 3)),
        cell_clip=draw(clips),
        proj_clip=draw(clips),
        use_skip_connections=draw(st.booleans()),
        bidirectional=draw(st.booleans()),
    )


@st.composite
def models(draw: st.DrawFn) -> BiLM:
    """A model with random bits as weights; sometimes with a state, a mean, a softmax."""
    config = draw(configs())
    lm = model(config, seed=draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        give_state(lm)
        lm.initial_state = draw(st.sampled_from(["zero", "warm"]))
    if draw(st.booleans()):
        lm.mean_layers = torch.randn(config.n_outputs, config.width)
    if draw(st.booleans()):
        give_softmax(lm)
    elif draw(st.booleans()):
        lm.set_vocabulary(WORDS)
    return lm


def model(config: BiLMConfig = TINY, *, seed: int = 0) -> BiLM:
    """A model whose weights are any finite bit patterns: tiny, huge, denormal, minus zero."""
    lm = BiLM(config, WORDS if config.char_cnn is None else None)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in lm.parameters():
            bits = rng.integers(0, 2**32, parameter.numel(), dtype=np.uint32).view(np.float32)
            bits[~np.isfinite(bits)] = -0.0
            parameter.copy_(torch.from_numpy(bits).view_as(parameter))
    return lm


def small_weights(config: BiLMConfig = TINY, *, seed: int = 0) -> BiLM:
    """A model of weights that give reasonable vectors."""
    torch.manual_seed(seed)
    lm = BiLM(config, WORDS if config.char_cnn is None else None)
    with torch.no_grad():
        for parameter in lm.parameters():
            fan_in = math.prod(parameter.shape[1:])
            parameter.normal_(0, fan_in**-0.5 if parameter.dim() > 1 else 0.3)
    return lm


def give_state(lm: BiLM) -> None:
    config = lm.config
    states = (config.n_layers, config.n_directions)
    lm.initial_h = torch.randn(*states, config.projection_dim)
    lm.initial_c = torch.randn(*states, config.lstm_dim)


def give_softmax(lm: BiLM) -> None:
    lm.softmax = Softmax(len(WORDS), lm.config.projection_dim)
    lm.softmax.reset_parameters()
    lm.set_vocabulary(WORDS)


def assert_same(found: BiLM, expected: BiLM) -> None:
    """The same model: every bit of every tensor, the config, the vocabulary."""
    found_tensors, tensors = found.state_dict(), expected.state_dict()
    assert found_tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        other = found_tensors[name]
        assert other.dtype == torch.float32
        assert other.shape == tensor.shape
        assert torch.equal(other.view(torch.int32), tensor.view(torch.int32)), name
    values, found_values = expected.config.to_dict(), found.config.to_dict()
    values["initial_state"] = expected.initial_state  # what is stored is the present one
    assert found_values == values
    assert found.initial_state == expected.initial_state
    assert found.vocabulary == expected.vocabulary
    assert all(parameter.requires_grad for parameter in found.parameters())


def datasets(path: object) -> dict[str, np.ndarray]:
    """Everything in an HDF5 file by full name."""
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found
