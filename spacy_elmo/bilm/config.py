"""The sizes and switches of a biLM: two frozen dataclasses, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spacy_elmo.fields import check_fields, is_finite
from spacy_elmo.languages import TOKENISATIONS, is_language

ACTIVATIONS = ("relu", "tanh")
# What a weight file may ask for. "carry" exists only at run time: a state that depends on the
# batches seen before is no property of the weights.
STORED_INITIAL_STATES = ("zero", "warm")
INITIAL_STATES = (*STORED_INITIAL_STATES, "carry")
# 256 bytes, then begin/end of sentence, begin/end of word, padding.
N_CHARACTERS = 261

# Keys that a stored config need not have.
OPTIONAL = ("lang", "tokenisation")

ORIGINAL_FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))


# Sizes beyond these are mistakes or attacks: what asks for them would take all memory, or for ever.
LARGEST_WIDTH = 2**20
LARGEST_DEPTH = 1_000
LARGEST_WORD = 10_000
LARGEST_TABLE = 2**31 - 1
LARGEST_ALPHABET = 2**16  # character ids are stored in 16 bits
LARGEST_MODEL = 2**35


def _whole(name: str, value: int, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}: expected a whole number of at least {least}")
    if value > most:
        shown = value if value < 10**30 else "10^30 or more"
        raise ValueError(f"{name} is {shown}: expected a whole number of at most {most:,}")
    return value


def _width(name: str, value: int) -> int:
    return _whole(name, value, 1, LARGEST_WIDTH)


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
        filters = tuple(
            (_width("filter width", width), _width("number of filters", number))
            for width, number in self.filters
        )
        object.__setattr__(self, "filters", filters)
        _width("embedding_dim", self.embedding_dim)
        _whole("n_highway", self.n_highway, 0, LARGEST_DEPTH)
        _whole("max_characters_per_token", self.max_characters_per_token, 3, LARGEST_WORD)
        _whole("n_characters", self.n_characters, N_CHARACTERS, LARGEST_ALPHABET)
        if not filters:
            raise ValueError("char_cnn.filters is empty: give at least one [width, number] pair")
        _whole("number of filter widths", len(filters), 1, LARGEST_DEPTH)
        widest = max(width for width, _ in filters)
        if widest > self.max_characters_per_token:
            raise ValueError(
                f"char_cnn.filters: a filter of width {widest} does not fit into "
                f"max_characters_per_token = {self.max_characters_per_token}"
            )
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"char_cnn.activation is {self.activation!r}: expected one of {ACTIVATIONS}"
            )

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
        n_words: Rows of the word embedding of a word-input model; None with characters.
        lstm_projection: Whether the LSTM output is projected from C to P. Without it C must equal
            P.
        n_layers: LSTM layers, 1 or more (the token layer is not counted).
        cell_clip: Bound of the cell state; None is off.
        proj_clip: Bound of the projected output; None is off.
        use_skip_connections: Whether layers above the first add their input to their output.
        bidirectional: False: forward only, vectors of width P.
        initial_state: "zero", or "warm": the state stored with the weights.
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
    lang: str | None = None
    tokenisation: str | None = None

    def __post_init__(self) -> None:
        if self.lang is not None and not is_language(self.lang):
            raise ValueError(f'lang is {self.lang!r}: expected the code of a language, as "en"')
        if self.tokenisation not in (None, *TOKENISATIONS):
            raise ValueError(
                f"tokenisation is {self.tokenisation!r}: expected one of {TOKENISATIONS}"
            )
        _width("lstm_dim", self.lstm_dim)
        _width("projection_dim", self.projection_dim)
        _whole("n_layers", self.n_layers, 1, LARGEST_DEPTH)
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
        if self.char_cnn is None:
            if self.n_words is None:
                raise ValueError("word input (char_cnn is null) needs n_words")
            _whole("n_words", self.n_words, 3, LARGEST_TABLE)
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

    def _n_values(self) -> int:
        """Numbers of all weights, without the softmax."""
        cells, width = self.lstm_dim, self.projection_dim
        layer = 4 * cells * (2 * width + 1) + (cells * width if self.lstm_projection else 0)
        total = layer * self.n_layers * self.n_directions
        cnn = self.char_cnn
        if cnn is None:
            return total + (self.n_words or 0) * width
        filters = sum(
            number * (positions * cnn.embedding_dim + 1) for positions, number in cnn.filters
        )
        highways = cnn.n_highway * 2 * cnn.n_filters * (cnn.n_filters + 1)
        projection = width * (cnn.n_filters + 1) if cnn.projection else 0
        return total + cnn.n_characters * cnn.embedding_dim + filters + highways + projection

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
        for name in OPTIONAL:
            if values[name] is None:
                del values[name]
        if self.char_cnn is not None:
            values["char_cnn"]["filters"] = [list(pair) for pair in self.char_cnn.filters]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BiLMConfig:
        """Build a config from what `to_dict` gave.

        Raises:
            ValueError: There is an unknown key, a value of the wrong type, or sizes that do not fit
                together.
        """
        values = dict(values)
        char_cnn = values.get("char_cnn", CharCNNConfig())
        if isinstance(char_cnn, Mapping):
            char_cnn = dict(char_cnn)
            if "filters" in char_cnn:
                char_cnn["filters"] = _pairs(char_cnn["filters"])
            check_fields(CharCNNConfig, char_cnn, "char_cnn.")
            values["char_cnn"] = CharCNNConfig(**char_cnn)
        elif char_cnn is not None and not isinstance(char_cnn, CharCNNConfig):
            raise ValueError(f"char_cnn is {char_cnn!r}: expected a table of sizes or null")
        check_fields(cls, values)
        return cls(**values)


def _pairs(filters: Any) -> tuple[tuple[int, int], ...]:
    try:
        return tuple((width, number) for width, number in filters)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"char_cnn.filters is {filters!r}: expected a list of [width, number] pairs"
        ) from error
