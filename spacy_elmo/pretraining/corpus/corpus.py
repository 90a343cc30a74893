"""A prepared corpus, read through memory maps: numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.errors import CorpusError
from spacy_elmo.files import read_json
from spacy_elmo.types import Array, Ints
from spacy_elmo.vocabulary import UNK, VOCABULARY_FILE, check_vocabulary, read_words

FORMAT = "spacy-elmo.corpus"
VERSION = 1
_SIZES = ("n_tokens", "n_sentences", "n_types", "n_vocabulary", "max_characters_per_token")


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
        CorpusError: If a file is missing, cut short or does not fit the others, and for words that
            make no vocabulary.

    Attributes:
        meta: What `corpus.json` holds.
        tokens: Type ids of the running text, without boundary symbols.
            *Shape:* (n_tokens,), uint32.
        sentences: Where each sentence starts in `tokens`, and the end of the last.
            *Shape:* (n_sentences + 1,), int64.
        vocabulary: The words to predict; a word's place is its id.
        word_of_type: Word id of every type. *Shape:* (n_types,), int64.
        characters: Character ids of every type. *Shape:* (n_types, max_characters), uint16.
    """

    def __init__(self, path: str | Path, vocabulary: Sequence[str] | None = None) -> None:
        self.path = Path(path)
        self.meta = _read_meta(self.path)
        self.n_tokens: int = self.meta["n_tokens"]
        self.n_sentences: int = self.meta["n_sentences"]
        self.n_types: int = self.meta["n_types"]
        self.max_characters: int = self.meta["max_characters_per_token"]
        self.tokens: NDArray[np.uint32] = self._map("tokens.npy", np.uint32, self.n_tokens)
        self.sentences: Ints = self._map("sentences.npy", np.int64, self.n_sentences + 1)
        self.characters: NDArray[np.uint16] = self._map(
            "characters.npy", np.uint16, self.n_types, self.max_characters
        )
        ends = self.sentences
        if ends[0] != 0 or ends[-1] != self.n_tokens or np.any(ends[1:] <= ends[:-1]):
            raise CorpusError(
                f"{self.path}: sentences.npy does not divide tokens.npy into sentences"
            )
        for name, lines in (("vocab.txt", self.meta["n_vocabulary"]), ("types.txt", self.n_types)):
            found = _count_lines(self.path / name)
            if found != lines:
                raise CorpusError(
                    f"{self.path / name} has {found} lines, but corpus.json says {lines}"
                )

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
        return read_words(self.path / "types.txt", error=CorpusError)

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

    def _map(self, name: str, dtype: type[np.generic], *shape: int) -> Array:
        path = self.path / name
        if not path.is_file():
            raise CorpusError(f"{self.path} is incomplete: there is no {name}")
        try:
            array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise CorpusError(f"{path} is cut short or no array: {error}") from error
        if array.dtype != dtype or array.shape != shape:
            raise CorpusError(
                f"{path} holds {array.dtype} {array.shape}, "
                f"but corpus.json asks for {np.dtype(dtype)} {shape}"
            )
        return array


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / "corpus.json"
    if not folder.exists():
        raise FileNotFoundError(f"no such folder: {folder}")
    if not path.is_file():
        raise CorpusError(f"{folder} is no prepared corpus: there is no corpus.json")
    meta = read_json(path, error=CorpusError)
    if meta.get("format") != FORMAT:
        raise CorpusError(f"{path} does not describe a prepared corpus")
    if meta.get("version") != VERSION:
        raise CorpusError(
            f"{path} is of version {meta.get('version')}; this version of spacy-elmo reads "
            f"{VERSION}: prepare the corpus again"
        )
    for name in _SIZES:
        if not isinstance(meta.get(name), int) or meta[name] < 1:
            raise CorpusError(f"{path}: {name} must be a positive number, not {meta.get(name)!r}")
    if meta["n_vocabulary"] > meta["n_types"]:
        raise CorpusError(f"{path}: the vocabulary has more words than there are types")
    return meta


def _count_lines(path: Path) -> int:
    if not path.is_file():
        raise CorpusError(f"{path.parent} is incomplete: there is no {path.name}")
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
