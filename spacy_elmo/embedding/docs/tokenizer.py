"""Entries split by the tokenizer of a language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_elmo.embedding.entries import Entry, Raw
from spacy_elmo.errors import EmbeddingError
from spacy_elmo.pipeline.doc.sentences import docs_sentences
from spacy_elmo.pipeline.doc.tokens import character_offsets, space_mask

# spaCy's tokenizer needs time in the square of the length of a run without spaces (10 s for 10,000
# closing brackets), so longer runs are split in pieces; no word of any language is as long.
LONGEST_RUN = 1000
# spaCy keeps every string it ever saw, 0.8 kB each: the pipeline is made afresh before that takes
# more than some 250 MB.
MOST_STRINGS = 300_000


class Tokenizer:
    """The tokenizer of a language. An entry is one sentence, a Doc is read by its boundaries.

    Args:
        language: Code of the language.

    Raises:
        ValueError: If there is no such language, or a package it needs is missing.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._nlp = self._blank()

    def __call__(self, raws: Sequence[Raw], *, keep_docs: bool = False) -> list[Entry]:
        """Split some entries; see `Reader`."""
        if len(self._nlp.vocab.strings) > self._n_strings + MOST_STRINGS:
            self._nlp = self._blank()
        return [
            entry_of_doc(raw, keep_docs)
            if isinstance(raw, Doc)
            else _one_sentence(make_doc(self._nlp, raw), keep_docs)
            for raw in raws
        ]

    def identity(self) -> str:
        """The language."""
        return self.language

    def docs(self, path: str) -> Iterable[Any]:
        """The Docs of a `.spacy` file."""
        return read_docs(path, self._nlp.vocab)

    def _blank(self) -> Language:
        import spacy

        try:
            nlp = spacy.blank(self.language)
        except ImportError as error:
            raise ValueError(f"language {self.language!r}: {error}") from error
        if hasattr(nlp.tokenizer, "max_cache_size"):
            nlp.tokenizer.max_cache_size = MOST_STRINGS  # changes nothing but the speed
        self._n_strings = len(nlp.vocab.strings)
        return nlp


def make_doc(nlp: Language, raw: Raw, *, tokenized: bool = False) -> Doc:
    """The Doc of an entry: split by the tokenizer, or with the words that are given.

    Args:
        nlp: The pipeline.
        raw: A text, or the words of a sentence.
        tokenized: Whether a text is split at white space instead.
    """
    if tokenized and isinstance(raw, str):
        raw = raw.split()
    if not isinstance(raw, str):
        spaces = [True] * (len(raw) - 1) + [False] * bool(raw)
        return Doc(nlp.vocab, words=list(raw), spaces=spaces)
    pieces = [nlp.tokenizer(piece) for piece in _pieces(raw)]
    return pieces[0] if len(pieces) == 1 else Doc.from_docs(pieces, ensure_whitespace=False)


def entry_of_doc(doc: Doc, keep: bool, token_attr: str = "TEXT") -> Entry:
    """An entry of a Doc, read sentence by sentence as its boundaries say.

    Args:
        doc: The Doc.
        keep: Whether the entry is to hold it.
        token_attr: What the language model reads of a token.
    """
    [read] = docs_sentences([doc], None, token_attr)
    offsets = character_offsets(doc)
    starts, ends = offsets[:, 0].tolist(), offsets[:, 1].tolist()
    rows = read.rows if len(read.rows) < len(doc) else None
    return Entry(doc.text, starts, ends, list(read.words), rows, doc if keep else None)


def read_docs(path: str, vocab: Vocab) -> Iterator[Doc]:
    """The Docs of a `.spacy` file, one by one.

    Raises:
        EmbeddingError: If it is none.
    """
    try:
        yield from DocBin().from_disk(path).get_docs(vocab)
    except (OSError, GeneratorExit):
        raise
    except Exception as error:  # damaged data fails in many ways, all meaning the same
        raise EmbeddingError(f"{path} is no readable .spacy file: {error}") from error


def _one_sentence(doc: Doc, keep: bool) -> Entry:
    """`entry_of_doc` of a Doc without boundaries, in half the time."""
    text = doc.text
    offsets = character_offsets(doc)
    starts, ends = offsets[:, 0].tolist(), offsets[:, 1].tolist()
    words = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    rows = None
    if any(map(str.isspace, words)):  # which spaCy goes by, too
        rows = np.flatnonzero(~space_mask(doc))
        words = [words[row] for row in rows]
    return Entry(text, starts, ends, [words] if words else [], rows, doc if keep else None)


def _pieces(text: str) -> list[str]:
    """A text cut inside of runs that are too long for the tokenizer; nothing is left out."""
    if len(text) <= LONGEST_RUN or max(map(len, text.split()), default=0) <= LONGEST_RUN:
        return [text]
    pieces, start, run = [], 0, 0
    for place, character in enumerate(text):
        run = 0 if character.isspace() else run + 1
        if run > LONGEST_RUN:
            pieces.append(text[start:place])
            start, run = place, 1
    return [*pieces, text[start:]]
