"""Configurations with random weights, built both as the oracle and as the package's network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spacy_elmo.bilm import BiLM, BiLMConfig, CharCNNConfig, ManyLangsConfig
from tests.reference.elmo import ReferenceElmo, Sentence, State
from tests.reference.many_langs import MARKS as MANY_LANGS_MARKS
from tests.reference.many_langs import (
    ReferenceManyLangs,
    many_langs_options,
    many_langs_state_dict,
    random_many_langs,
    rows_of,
)
from tests.reference.package_layout import state_dict
from tests.reference.weights import random_weights

Array = npt.NDArray[Any]

TOLERANCE = 1e-5  # of the vector's norm

VOCABULARY = ["<S>", "</S>", "<UNK>", "the", "bank", "raised", "Zürich", "."]

CHARACTERS = "abcdehiknrsu日Z<>.S"  # of those that ELMoForManyLangs knows
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
SENTENCES: list[Sentence] = [
    ["the", "bank", "raised"],
    [],
    ["Zürich"],
    [*(["the", "bank", "raised", "its", "rates", "and"] * 7), LONG, "."],
    ["<S>", "the", "</S>", "日本語", "🙂", "", "\udc80", "a" * 8, "b" * 9, "c" * 48, "d" * 49],
    ["<bos>", "<eos>x", "<oov>", "<eos>"],
    [],
    [LONG, "the"],
]


@dataclass(frozen=True)
class Case:
    """One configuration, and the size of its random weights."""

    activation: str = "relu"
    filters: tuple[tuple[int, int], ...] = ((1, 3), (2, 4), (3, 4))
    n_highway: int = 1
    max_characters: int = 50
    cnn_projection: bool = True
    word_input: bool = False
    lstm_dim: int = 7
    projection_dim: int = 5
    lstm_projection: bool = True
    cell_clip: float | None = None
    proj_clip: float | None = None
    skip: bool = True
    n_layers: int = 2
    bidirectional: bool = True
    scale: float = 1.0
    seed: int = 0

    def options(self) -> dict[str, Any]:
        """As in an `options.json`."""
        options: dict[str, Any] = {
            "bidirectional": self.bidirectional,
            "lstm": {
                "dim": self.lstm_dim,
                "projection_dim": self.projection_dim,
                "n_layers": self.n_layers,
                "cell_clip": self.cell_clip,
                "proj_clip": self.proj_clip,
                "use_skip_connections": self.skip,
            },
        }
        if not self.word_input:
            options["char_cnn"] = {
                "embedding": {"dim": 4},
                "filters": [list(pair) for pair in self.filters],
                "n_highway": self.n_highway,
                "activation": self.activation,
                "max_characters_per_token": self.max_characters,
            }
        return options

    def config(self) -> BiLMConfig:
        char_cnn = CharCNNConfig(
            embedding_dim=4,
            filters=self.filters,
            activation=self.activation,
            n_highway=self.n_highway,
            max_characters_per_token=self.max_characters,
            projection=self.cnn_projection,
        )
        return BiLMConfig(
            lstm_dim=self.lstm_dim,
            projection_dim=self.projection_dim,
            char_cnn=None if self.word_input else char_cnn,
            n_words=len(VOCABULARY) if self.word_input else None,
            lstm_projection=self.lstm_projection,
            n_layers=self.n_layers,
            cell_clip=self.cell_clip,
            proj_clip=self.proj_clip,
            use_skip_connections=self.skip,
            bidirectional=self.bidirectional,
        )

    def weights(self) -> dict[str, Array]:
        return random_weights(
            self.options(),
            np.random.default_rng(self.seed),
            n_words=len(VOCABULARY) if self.word_input else None,
            cnn_projection=self.cnn_projection,
            lstm_projection=self.lstm_projection,
            lstm_scale=self.scale,
        )

    def vocabulary(self) -> list[str] | None:
        return VOCABULARY if self.word_input else None

    def reference(self, weights: Mapping[str, Array]) -> ReferenceElmo:
        return ReferenceElmo(weights, self.options(), self.vocabulary())

    def layout(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """The weights as a state dict of the package."""
        return state_dict(weights)

    def build(self) -> tuple[ReferenceElmo, BiLM]:
        weights = self.weights()
        lm = BiLM(self.config(), self.vocabulary())
        tensors = self.layout(weights).items()
        lm.load_state_dict({name: torch.from_numpy(array) for name, array in tensors})
        return self.reference(weights), lm


@dataclass(frozen=True)
class ManyLangsCase(Case):
    """The same with the token layer of ELMoForManyLangs."""

    words: bool = True
    characters: bool = True
    max_characters: int = 12

    def options(self) -> dict[str, Any]:
        return many_langs_options(
            word_dim=3 if self.words else 0,
            char_dim=4 if self.characters else 0,
            filters=self.filters,
            n_highway=self.n_highway,
            activation=self.activation,
            max_characters=self.max_characters,
            lstm_dim=self.lstm_dim,
            projection_dim=self.projection_dim,
            n_layers=self.n_layers,
            cell_clip=self.cell_clip,
            proj_clip=self.proj_clip,
        )

    def vocabulary(self) -> list[str] | None:
        return [*MANY_LANGS_MARKS, *VOCABULARY] if self.words else None

    def dictionaries(self) -> tuple[dict[str, int] | None, dict[str, int] | None]:
        """Rows of words and of characters."""
        words = self.vocabulary()
        characters = rows_of([*MANY_LANGS_MARKS, *CHARACTERS]) if self.characters else None
        return None if words is None else rows_of(words), characters

    def config(self) -> BiLMConfig:
        words = self.vocabulary()
        characters = self.characters
        return BiLMConfig(
            lstm_dim=self.lstm_dim,
            projection_dim=self.projection_dim,
            char_cnn=None,
            n_words=None if words is None else len(words),
            n_layers=self.n_layers,
            cell_clip=self.cell_clip,
            proj_clip=self.proj_clip,
            many_langs=ManyLangsConfig(
                word_dim=3 if self.words else 0,
                char_dim=4 if characters else 0,
                characters=CHARACTERS if characters else "",
                filters=self.filters if characters else (),
                activation=self.activation,
                n_highway=self.n_highway if characters else 0,
                max_characters_per_token=self.max_characters,
            ),
        )

    def weights(self) -> dict[str, Array]:
        rng = np.random.default_rng(self.seed)
        dictionaries = self.dictionaries()
        return random_many_langs(self.options(), rng, *dictionaries, lstm_scale=self.scale)

    def reference(self, weights: Mapping[str, Array]) -> ReferenceElmo:
        return ReferenceManyLangs(weights, self.options(), *self.dictionaries())

    def layout(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        return many_langs_state_dict(weights)


CASES = {
    "plain": Case(),
    "original_switches": Case(n_highway=2, cell_clip=3.0, proj_clip=3.0),
    "tanh": Case(activation="tanh"),
    "no_highway": Case(n_highway=0),
    "three_highways": Case(n_highway=3, activation="tanh"),
    "one_filter_as_wide_as_the_word": Case(filters=((10, 6),), max_characters=10),
    "filters_in_odd_order": Case(filters=((5, 2), (1, 3), (7, 1), (2, 2))),
    "short_words": Case(max_characters=10),
    "no_cnn_projection": Case(cnn_projection=False, projection_dim=11),
    "no_cnn_projection_no_highway": Case(
        cnn_projection=False, projection_dim=11, n_highway=0, activation="tanh"
    ),
    "word_input": Case(word_input=True),
    "no_lstm_projection": Case(lstm_projection=False, lstm_dim=5),
    "lstm_projection_of_the_same_width": Case(lstm_dim=5),
    "lstm_projection_to_more": Case(lstm_dim=3, projection_dim=8),
    "cell_clip_fires": Case(cell_clip=0.4, scale=2.0),
    "proj_clip_fires": Case(proj_clip=0.3, scale=2.0),
    "both_clips_fire": Case(cell_clip=0.5, proj_clip=0.25, scale=2.0, skip=False),
    "cell_clip_without_projection": Case(
        cell_clip=0.3, proj_clip=0.1, scale=2.0, lstm_projection=False, lstm_dim=5
    ),
    "no_skip": Case(skip=False),
    "one_layer": Case(n_layers=1),
    "four_layers": Case(n_layers=4),
    "four_layers_no_skip": Case(n_layers=4, skip=False),
    "forward_only": Case(bidirectional=False),
    "forward_only_one_layer_words": Case(bidirectional=False, n_layers=1, word_input=True),
    "everything_off": Case(
        cnn_projection=False,
        n_highway=0,
        projection_dim=11,
        lstm_dim=11,
        lstm_projection=False,
        skip=False,
        n_layers=1,
        bidirectional=False,
    ),
    "small_weights": Case(scale=0.05),
    "many_langs": ManyLangsCase(n_highway=2, cell_clip=3.0, proj_clip=3.0),
    "many_langs_words": ManyLangsCase(characters=False),
    "many_langs_characters": ManyLangsCase(words=False, activation="tanh", n_layers=1),
    "many_langs_no_highway_both_clips_fire": ManyLangsCase(
        n_highway=0, cell_clip=0.5, proj_clip=0.25, scale=2.0, max_characters=7
    ),
}


def assert_same(actual: Array, expected: Array) -> None:
    """Every vector of every layer: within the tolerance of its norm."""
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    error = np.linalg.norm(actual - expected, axis=-1)
    worst = error / np.maximum(np.linalg.norm(expected, axis=-1), 1e-30)
    assert np.all(worst <= TOLERANCE), f"{worst.max()} of the norm, layers {worst.max(axis=-1)}"


def warm_state(elmo: ReferenceElmo) -> State:
    """A state that running text leaves, as float32 holds it."""
    state = elmo.zero_state()
    for sentence in SENTENCES:
        _, state = elmo.layers_with_boundaries(sentence, state)
    h, c = (part.astype(np.float32).astype(np.float64) for part in state)
    return h, c


def set_warm_state(lm: BiLM, state: State) -> None:
    lm.initial_h, lm.initial_c = (torch.from_numpy(part).float() for part in state)
    lm.initial_state = "warm"
