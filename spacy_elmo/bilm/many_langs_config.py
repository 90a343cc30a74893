"""The sizes of the token layer of ELMoForManyLangs."""

from __future__ import annotations

from dataclasses import dataclass

from spacy_elmo.bilm.limits import (
    LARGEST_DEPTH,
    LARGEST_WIDTH,
    LARGEST_WORD,
    ORIGINAL_FILTERS,
    convolutions,
    whole,
)


@dataclass(frozen=True)
class ManyLangsConfig:
    """Sizes of the token layer of ELMoForManyLangs (Che et al. 2018).

    A word's own embedding, if there is one, beside a CNN over its Unicode characters, if there is
    one, and a projection of both.

    Attributes:
        word_dim: Width of a word embedding; 0: none.
        char_dim: Width of a character embedding; 0: none.
        characters: The characters that have embeddings, in the order of their rows, which come
            after those of the marks (`bilm/many_langs.py`).
        filters: Pairs (width in characters, number of filters), in order of concatenation; none
            without characters.
        activation: "relu" or "tanh", applied after the maximum over positions.
        n_highway: Number of highway layers, 0 or more.
        max_characters_per_token: Positions per word, with the marks for its begin and end; a longer
            word is cut after `max_characters_per_token - 2` characters.
    """

    word_dim: int = 100
    char_dim: int = 50
    characters: str = ""
    filters: tuple[tuple[int, int], ...] = ORIGINAL_FILTERS
    activation: str = "relu"
    n_highway: int = 2
    max_characters_per_token: int = 50

    def __post_init__(self) -> None:
        whole("word_dim", self.word_dim, 0, LARGEST_WIDTH)
        whole("char_dim", self.char_dim, 0, LARGEST_WIDTH)
        whole("n_highway", self.n_highway, 0, LARGEST_DEPTH)
        # The sentence marks "<bos>" and "<eos>" are words that must not be cut.
        whole("max_characters_per_token", self.max_characters_per_token, 7, LARGEST_WORD)
        filters = convolutions(
            "many_langs", self.filters, self.max_characters_per_token, self.activation
        )
        object.__setattr__(self, "filters", filters)
        if not (self.word_dim or self.char_dim):
            raise ValueError("many_langs: word_dim and char_dim are 0: one of them must be more")
        if bool(self.char_dim) != bool(filters):
            raise ValueError(
                f"many_langs: char_dim is {self.char_dim}, filters are {list(filters)}: expected "
                "both or neither"
            )
        if not self.char_dim and (self.characters or self.n_highway):
            raise ValueError("many_langs: characters and n_highway need a char_dim above 0")
        if len(set(self.characters)) != len(self.characters):
            raise ValueError("many_langs.characters holds one character more than once")

    @property
    def n_filters(self) -> int:
        """Number of filters of all widths: the width of the highway layers."""
        return sum(number for _, number in self.filters)

    @property
    def n_features(self) -> int:
        """Width of what is projected: the word embedding and the filters."""
        return self.word_dim + self.n_filters
