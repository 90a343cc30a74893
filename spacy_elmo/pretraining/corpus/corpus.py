"""A prepared corpus, checked once and read through memory maps: numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.errors import CorpusError
from spacy_elmo.files import expanded
from spacy_elmo.pretraining.corpus.checks import (
    CHECKSUM,
    TYPES_FILE,
    check_ids,
    check_sentences,
    check_words,
    map_array,
    read_meta,
)
from spacy_elmo.types import Ints
from spacy_elmo.vocabulary import UNK, VOCABULARY_FILE, check_vocabulary, read_words


class Corpus:
    """Running text as type ids, with sentence boundaries.

    A type is a distinct word; all have characters of their own. The first types are the vocabulary,
    from frequent to rare, so the word id of a type is its number if that is below `n_vocabulary`,
    and otherwise that of `<UNK>`.

    Args:
        path: Folder made by `prepare`.
        vocabulary: Words to predict, `<S>`, `</S>` and `<UNK>` first, if other than the corpus's
            own: those of the model that is continued or evaluated. Only word ids depend on it.

    Raises:
        FileNotFoundError: If there is no such folder.
        CorpusError: If a file is missing, cut short, altered or does not fit the others, and for
            words that make no vocabulary.

    Attributes:
        meta: What `corpus.json` holds, without the checksum.
        tokens: Type ids of the running text, without boundary symbols.
            *Shape:* (n_tokens,), uint32.
        sentences: Where each sentence starts in `tokens`, and the end of the last.
            *Shape:* (n_sentences + 1,), int64.
        vocabulary: The words to predict; a word's place is its id.
        word_of_type: Word id of every type. *Shape:* (n_types,), int64.
        characters: Character ids of every type. *Shape:* (n_types, max_characters), uint16.
    """

    def __init__(self, path: str | Path, vocabulary: Sequence[str] | None = None) -> None:
        self.path = expanded(path)
        meta = read_meta(self.path)
        self.n_tokens: int = meta["n_tokens"]
        self.n_sentences: int = meta["n_sentences"]
        self.n_types: int = meta["n_types"]
        self.max_characters: int = meta["max_characters_per_token"]
        self.tokens: NDArray[np.uint32] = map_array(
            self.path / "tokens.npy", np.uint32, self.n_tokens
        )
        self.sentences: Ints = map_array(
            self.path / "sentences.npy", np.int64, self.n_sentences + 1
        )
        self.characters: NDArray[np.uint16] = map_array(
            self.path / "characters.npy", np.uint16, self.n_types, self.max_characters
        )
        check_sentences(self.path, self.sentences, self.n_tokens)
        check_words(self.path, meta)
        check_ids(self.path, self.tokens, self.characters)
        # A checkpoint tells by the rest whether it is of this corpus, also one from before there
        # were checksums.
        self.meta = {key: value for key, value in meta.items() if key != CHECKSUM}

        own = read_words(self.path / VOCABULARY_FILE, error=CorpusError)
        self.vocabulary = own if vocabulary is None else list(vocabulary)
        source = self.path / VOCABULARY_FILE if vocabulary is None else "the given vocabulary"
        check_vocabulary(source, self.vocabulary, special="first", error=CorpusError)
        self.word_of_type = np.full(self.n_types, UNK)
        if self.vocabulary == own:
            self.word_of_type[: len(own)] = np.arange(len(own))
        else:
            word_id = {word: number for number, word in enumerate(self.vocabulary)}
            self.word_of_type[:] = [word_id.get(word, UNK) for word in self.types]
        self.n_vocabulary = len(self.vocabulary)

    @cached_property
    def types(self) -> list[str]:
        """Every type; its place is its id."""
        return read_words(self.path / TYPES_FILE, error=CorpusError)

    def sentence(self, number: int) -> NDArray[np.uint32]:
        """Type ids of one sentence. *Shape:* (n_words,)."""
        return self.tokens[self.sentences[number] : self.sentences[number + 1]]

    def words(self) -> Iterator[list[str]]:
        """The sentences, as words."""
        types = self.types
        for number in range(len(self)):
            yield [types[type_id] for type_id in self.sentence(number).tolist()]

    def __len__(self) -> int:
        """Number of sentences."""
        return self.n_sentences
