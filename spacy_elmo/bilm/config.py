"""The sizes and switches of a biLM: frozen dataclasses, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spacy_elmo.bilm.limits import (
    LARGEST_ALPHABET,
    LARGEST_DEPTH,
    LARGEST_MODEL,
    LARGEST_TABLE,
    LARGEST_WORD,
    ORIGINAL_FILTERS,
    convolutions,
    whole,
    width,
)
from spacy_elmo.bilm.many_langs_config import ManyLangsConfig
from spacy_elmo.fields import check_fields, is_finite
from spacy_elmo.languages import TOKENISATIONS, is_language

# What a weight file may ask for. "carry" exists only at run time: a state that depends on the
# batches seen before is no property of the weights.
STORED_INITIAL_STATES = ("zero", "warm")
INITIAL_STATES = (*STORED_INITIAL_STATES, "carry")
# 256 bytes, then begin/end of sentence, begin/end of word, padding.
N_CHARACTERS = 261


# Keys that a stored config need not have.
OPTIONAL = ("many_langs", "lang", "tokenisation")


@dataclass(frozen=True)
class CharCNNConfig:
    """Sizes of the character CNN (the context-free token layer).

    The defaults are those of the original model (Peters et al. 2018, section 3.1; options of
    bilm-tf).

    Attributes:
        embedding_dim: Width of a character embedding.
        filters: Pairs (width in characters, number of filters), in order of concatenation.
        activation: "relu" or "tanh", applied after the maximum over positions.
        n_highway: Number of highway layers, 0 or more.
        max_characters_per_token: Positions per word, with the marks for its begin and end; a longer
            word is cut after `max_characters_per_token - 2` bytes.
        n_characters: Rows of the stored character table, without the padding row.
        projection: Whether a linear layer maps the filters to `projection_dim`. Without one the
            number of filters must be `projection_dim`.
    """

    embedding_dim: int = 16
    filters: tuple[tuple[int, int], ...] = ORIGINAL_FILTERS
    activation: str = "relu"
    n_highway: int = 2
    max_characters_per_token: int = 50
    n_characters: int = N_CHARACTERS
    projection: bool = True

    def __post_init__(self) -> None:
        width("embedding_dim", self.embedding_dim)
        whole("n_highway", self.n_highway, 0, LARGEST_DEPTH)
        whole("max_characters_per_token", self.max_characters_per_token, 3, LARGEST_WORD)
        whole("n_characters", self.n_characters, N_CHARACTERS, LARGEST_ALPHABET)
        filters = convolutions(
            "char_cnn", self.filters, self.max_characters_per_token, self.activation
        )
        object.__setattr__(self, "filters", filters)
        if not filters:
            raise ValueError("char_cnn.filters is empty: give at least one [width, number] pair")

    @property
    def n_filters(self) -> int:
        """Number of filters of all widths: the width of the highway layers."""
        return sum(number for _, number in self.filters)


@dataclass(frozen=True)
class BiLMConfig:
    """Sizes and switches of a bidirectional language model (biLM).

    Attributes:
        lstm_dim: Cells of each LSTM layer and direction (C).
        projection_dim: Width of the token layer and of each direction's output (P).
        char_cnn: The character CNN, or None for word input.
        n_words: Rows of the word embedding, where there is one; None with characters alone.
        lstm_projection: Whether the LSTM output is projected from C to P. Without it C must equal
            P.
        n_layers: LSTM layers, 1 or more (the token layer is not counted).
        cell_clip: Bound of the cell state; None is off.
        proj_clip: Bound of the projected output; None is off.
        use_skip_connections: Whether layers above the first add their input to their output.
        bidirectional: False: forward only, vectors of width P.
        initial_state: "zero", or "warm": the state stored with the weights.
        many_langs: The token layer of ELMoForManyLangs in place of `char_cnn`, which is None then;
            None for any other model.
        lang: Code of the language of the text it was trained on; None: not known. It changes no
            vector, and neither does `tokenisation`: they are for warnings.
        tokenisation: "words", or "lemmas" where lemmas stood for the words; None: not known.
    """

    lstm_dim: int = 4096
    projection_dim: int = 512
    char_cnn: CharCNNConfig | None = CharCNNConfig()
    n_words: int | None = None
    lstm_projection: bool = True
    n_layers: int = 2
    cell_clip: float | None = 3.0
    proj_clip: float | None = 3.0
    use_skip_connections: bool = True
    bidirectional: bool = True
    initial_state: str = "zero"
    many_langs: ManyLangsConfig | None = None
    lang: str | None = None
    tokenisation: str | None = None

    def __post_init__(self) -> None:
        if self.lang is not None and not is_language(self.lang):
            raise ValueError(f'lang is {self.lang!r}: expected the code of a language, as "en"')
        if self.tokenisation not in (None, *TOKENISATIONS):
            raise ValueError(
                f"tokenisation is {self.tokenisation!r}: expected one of {TOKENISATIONS}"
            )
        width("lstm_dim", self.lstm_dim)
        width("projection_dim", self.projection_dim)
        whole("n_layers", self.n_layers, 1, LARGEST_DEPTH)
        for name in ("cell_clip", "proj_clip"):
            # A clip of 0 switches clipping off in the original, as None does.
            clip = getattr(self, name)
            if clip is not None and not (is_finite(clip) and clip >= 0):
                raise ValueError(f"{name} is {clip!r}: expected a positive, finite number or null")
            object.__setattr__(self, name, float(clip) if clip else None)
        if not self.lstm_projection and self.lstm_dim != self.projection_dim:
            raise ValueError(
                f"an LSTM without projection needs lstm_dim ({self.lstm_dim}) equal to "
                f"projection_dim ({self.projection_dim})"
            )
        if self.initial_state not in STORED_INITIAL_STATES:
            raise ValueError(
                f"initial_state is {self.initial_state!r}: expected one of {STORED_INITIAL_STATES}"
            )
        if self.many_langs is not None:
            self._check_many_langs(self.many_langs)
        elif self.char_cnn is None:
            if self.n_words is None:
                raise ValueError("word input (char_cnn is null) needs n_words")
            whole("n_words", self.n_words, 3, LARGEST_TABLE)
        elif self.n_words is not None:
            raise ValueError("n_words is for word input: leave it out, or set char_cnn to null")
        elif not self.char_cnn.projection and self.char_cnn.n_filters != self.projection_dim:
            raise ValueError(
                f"a char CNN without projection needs as many filters "
                f"({self.char_cnn.n_filters}) as projection_dim ({self.projection_dim})"
            )
        if self._n_values() > LARGEST_MODEL:
            raise ValueError(
                f"these sizes make a network of {self._n_values():,} numbers: expected at most "
                f"{LARGEST_MODEL:,}"
            )

    def _check_many_langs(self, many_langs: ManyLangsConfig) -> None:
        if self.char_cnn is not None:
            raise ValueError("many_langs is a token layer of its own: set char_cnn to null")
        if bool(many_langs.word_dim) != (self.n_words is not None):
            raise ValueError(
                f"many_langs.word_dim is {many_langs.word_dim}, n_words is {self.n_words}: "
                "expected both or neither"
            )
        if self.n_words is not None:
            whole("n_words", self.n_words, 1, LARGEST_TABLE)

    def _n_values(self) -> int:
        """Numbers of all weights, without the softmax."""
        cells, width = self.lstm_dim, self.projection_dim
        layer = 4 * cells * (2 * width + 1) + (cells * width if self.lstm_projection else 0)
        total = layer * self.n_layers * self.n_directions
        cnn = self.char_cnn
        many = self.many_langs
        if many is not None:
            tables = (self.n_words or 0) * many.word_dim + len(many.characters) * many.char_dim
            kernels = sum(number * (size * many.char_dim + 1) for size, number in many.filters)
            highways = many.n_highway * 2 * many.n_filters * (many.n_filters + 1)
            return total + tables + kernels + highways + width * (many.n_features + 1)
        if cnn is None:
            return total + (self.n_words or 0) * width
        filters = sum(
            number * (positions * cnn.embedding_dim + 1) for positions, number in cnn.filters
        )
        highways = cnn.n_highway * 2 * cnn.n_filters * (cnn.n_filters + 1)
        projection = width * (cnn.n_filters + 1) if cnn.projection else 0
        return total + cnn.n_characters * cnn.embedding_dim + filters + highways + projection

    @property
    def needs_special_words(self) -> bool:
        """Whether words are looked up, those of `SPECIAL_WORDS` among them."""
        return self.n_words is not None and self.many_langs is None

    @property
    def n_directions(self) -> int:
        """2 for a biLM, 1 for a forward-only model."""
        return 2 if self.bidirectional else 1

    @property
    def width(self) -> int:
        """Width of a vector of any layer: `projection_dim` per direction."""
        return self.projection_dim * self.n_directions

    @property
    def n_outputs(self) -> int:
        """Number of output layers: the token layer and the LSTM layers."""
        return self.n_layers + 1

    @property
    def directions(self) -> tuple[str, ...]:
        """Names of the directions, in the order of their halves of a vector."""
        return ("forward", "backward")[: self.n_directions]

    def to_dict(self) -> dict[str, Any]:
        """The config as plain, JSON-able values; `from_dict` is its inverse.

        Keys of `OPTIONAL` are left out where nothing is known.
        """
        values = asdict(self)
        for name in TOKEN_LAYERS:
            if values[name] is not None:
                values[name]["filters"] = [list(pair) for pair in values[name]["filters"]]
        for name in OPTIONAL:  # the config of any other model is what it always was
            if values[name] is None:
                del values[name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BiLMConfig:
        """Build a config from what `to_dict` gave.

        Raises:
            ValueError: There is an unknown key, a value of the wrong type, or sizes that do not fit
                together.
        """
        values = dict(values)
        for name, kind in TOKEN_LAYERS.items():
            part = values.get(name)
            if isinstance(part, Mapping):
                part = dict(part)
                if "filters" in part:
                    part["filters"] = _pairs(name, part["filters"])
                check_fields(kind, part, f"{name}.")
                values[name] = kind(**part)
            elif part is not None and not isinstance(part, kind):
                raise ValueError(f"{name} is {part!r}: expected a table of sizes or null")
        check_fields(cls, values)
        return cls(**values)


TOKEN_LAYERS: dict[str, type[CharCNNConfig] | type[ManyLangsConfig]] = {
    "char_cnn": CharCNNConfig,
    "many_langs": ManyLangsConfig,
}
"""Names of the fields that are sizes of a token layer, and their classes."""


def _pairs(name: str, filters: Any) -> tuple[tuple[int, int], ...]:
    try:
        return tuple((width, number) for width, number in filters)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}.filters is {filters!r}: expected a list of [width, number] pairs"
        ) from error
