"""Blocks of input to sentences of words: the work of one process of `prepare`.

Needs spaCy for raw text and `.spacy` files; not for sentences that are already tokenised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.errors import CorpusError
from spacy_elmo.text.reading import Block
from spacy_elmo.text.records import read_records
from spacy_elmo.types import Bools, Ints
from spacy_elmo.vocabulary import BOS_WORD, EOS_WORD

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

# spaCy's tokenizer needs time in the square of the length of a run without spaces (10 s for 10,000
# closing brackets), so longer runs are cut; no word of any language is as long.
LONGEST_RUN = 1000
# spaCy keeps every string it ever saw (with its lexeme and its entry in the tokenizer's cache about
# 0.8 kB), so the pipeline is made afresh before that takes more than some 250 MB.
MOST_STRINGS = 300_000

_LINE_BREAKS = str.maketrans("\r\n", "  ")


@dataclass(frozen=True)
class Settings:
    """How to find words and sentences.

    Attributes:
        language: Language of the blank pipeline.
        pipeline: Name or path of a pipeline to use instead.
    """

    language: str = "en"
    pipeline: str | None = None


@dataclass(frozen=True)
class Segmented:
    """Sentences of a block.

    Attributes:
        words: Its words; one may stand twice.
        ids: Index into `words` of every word of the running text. *Shape:* (n_tokens,).
        lengths: Words of each sentence, at least one. *Shape:* (n_sentences,).
    """

    words: list[str]
    ids: NDArray[np.uint32]
    lengths: NDArray[np.uint32]


class Segmenter:
    """Finds the sentences and words in blocks of every kind.

    Args:
        settings: How to find them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pipeline: Language | None = None
        self._n_strings = 0

    def __call__(self, block: Block) -> tuple[list[Segmented], Counter[str]]:
        """Segment one block.

        Args:
            block: The block.

        Returns:
            The sentences, in order, and counts of what was read, dropped and repaired.

        Raises:
            CorpusError: For damaged JSONL or an unreadable `.spacy` file.
            ValueError: For a language that cannot be loaded.
            OSError: For a pipeline that cannot be loaded.
        """
        counts: Counter[str] = Counter()
        if block.kind == "docs":
            docs = read_docs(block.source, self._nlp().vocab)
            counts["documents"] = len(docs)
            return [self._from_docs(docs, counts)], counts
        parts = []
        for group in read_records(block, counts):
            sentences = [record for record in group if isinstance(record, list)]
            texts = [record for record in group if isinstance(record, str)]
            if texts:
                parts.append(self._from_docs(self._read(texts, counts), counts))
            if sentences:
                parts.append(_from_words(sentences, counts))
        return parts, counts

    def _nlp(self) -> Language:
        """The pipeline, afresh if it has seen too many strings."""
        if (
            self._pipeline is not None
            and len(self._pipeline.vocab.strings) <= self._n_strings + MOST_STRINGS
        ):
            return self._pipeline
        import spacy

        if self.settings.pipeline is not None:
            nlp = spacy.load(self.settings.pipeline)
        else:
            try:
                nlp = spacy.blank(self.settings.language)
            except ImportError as error:  # no such language, or a package it needs is missing
                raise ValueError(f"language {self.settings.language!r}: {error}") from error
        if hasattr(nlp.tokenizer, "max_cache_size"):
            # A larger cache changes nothing but the speed: 1.7 times as fast.
            nlp.tokenizer.max_cache_size = MOST_STRINGS
        self._pipeline, self._n_strings = nlp, len(nlp.vocab.strings)
        return nlp

    def _read(self, texts: list[str], counts: Counter[str]) -> list[Doc]:
        nlp = self._nlp()
        if hasattr(nlp.tokenizer, "max_cache_size"):  # spaCy's own, not one of a few languages
            texts = [_cut_runs(text, counts) for text in texts]
        if self.settings.pipeline is None:
            return [nlp.tokenizer(text) for text in texts]
        nlp.max_length = max(nlp.max_length, *map(len, texts))  # a parser's memory is the user's
        return list(nlp.pipe(texts))

    def _from_docs(self, docs: Sequence[Doc], counts: Counter[str]) -> Segmented:
        from spacy.pipeline import Sentencizer

        lengths = np.array([len(doc) for doc in docs], dtype=np.int64)
        if not lengths.sum():
            return _without_non_words([], lengths[:0], np.zeros(0, dtype=bool), counts)
        running = np.concatenate([doc.to_array("ORTH") for doc in docs if len(doc)])
        orths, ids = np.unique(running, return_inverse=True)
        lexemes = [docs[0].vocab[int(orth)] for orth in orths]
        words = [lexeme.text for lexeme in lexemes]
        stops = set(Sentencizer.default_punct_chars)
        stop = np.array([word in stops for word in words])
        plain = np.array([not lexeme.is_punct for lexeme in lexemes]) & ~stop
        starts = sentence_starts(stop[ids], plain[ids], lengths)
        first = 0
        for doc in docs:
            if doc.has_annotation("SENT_START"):
                starts[first : first + len(doc)] = doc.to_array("SENT_START") == 1
                starts[first] = True
            first += len(doc)
        return _without_non_words(words, ids, starts, counts)


def sentence_starts(stop: Bools, plain: Bools, lengths: Ints) -> Bools:
    """The rule of spaCy's `sentencizer`, for the tokens of many docs at once.

    A sentence starts at a doc's first token, and at a plain token (no punctuation) if one of the
    tokens since the plain token before it ends sentences.

    Args:
        stop: Whether each token ends sentences. *Shape:* (n_tokens,).
        plain: Whether each token is no punctuation. *Shape:* (n_tokens,).
        lengths: Tokens per doc. *Shape:* (n_docs,).

    Returns:
        Whether a sentence starts at each token. *Shape:* (n_tokens,).
    """
    lengths = lengths[lengths > 0]
    doc_starts = np.cumsum(lengths) - lengths
    stops_before: Ints = np.cumsum(stop) - stop
    at = np.flatnonzero(plain)
    doc_start = np.repeat(doc_starts, lengths)[at]
    since = doc_start.copy()  # the plain token before, or the start of the doc
    since[1:] = np.maximum(doc_start[1:], at[:-1])
    starts = np.zeros(len(stop), dtype=bool)
    starts[at] = stops_before[at] > stops_before[since]
    starts[doc_starts] = True
    return starts


def read_docs(path: str, vocab: Vocab) -> list[Doc]:
    """The Docs of a `.spacy` file.

    Raises:
        CorpusError: If it is none.
    """
    from spacy.tokens import DocBin

    try:
        return list(DocBin().from_disk(path).get_docs(vocab))
    except OSError:
        raise
    except Exception as error:  # damaged data fails in many ways, all meaning the same
        raise CorpusError(f"{path} is no readable .spacy file: {error}") from error


def _cut_runs(text: str, counts: Counter[str]) -> str:
    if len(text) <= LONGEST_RUN or max(map(len, text.split())) <= LONGEST_RUN:
        return text
    pieces: list[str] = []
    for run in text.split():
        starts = range(0, len(run), LONGEST_RUN)
        pieces.extend(run[start : start + LONGEST_RUN] for start in starts)
        counts["cut_runs"] += len(starts) > 1
    return " ".join(pieces)


def _from_words(sentences: list[list[str]], counts: Counter[str]) -> Segmented:
    lengths = np.array([len(words) for words in sentences], dtype=np.int64)
    running = list(chain.from_iterable(sentences))
    index = {word: number for number, word in enumerate(dict.fromkeys(running))}
    ids = np.fromiter(map(index.__getitem__, running), dtype=np.int64, count=len(running))
    starts = np.zeros(len(running), dtype=bool)
    starts[np.cumsum(lengths) - lengths] = True
    return _without_non_words(list(index), ids, starts, counts)


def _without_non_words(
    words: list[str], ids: Ints, starts: Bools, counts: Counter[str]
) -> Segmented:
    """Leave out whitespace and literal boundary symbols, and sentences that hold nothing else.

    Words must fit on a line, so line breaks within them become spaces.
    """
    boundary = np.array([word in (BOS_WORD, EOS_WORD) for word in words], dtype=bool)
    space = np.array([not word.strip() for word in words], dtype=bool)
    good = ~(boundary | space)
    # Only a token that was given or merged can hold a line break.
    broken = np.array(["\n" in word or "\r" in word for word in words], dtype=bool) & good
    counts["boundary_symbols"] += int(boundary[ids].sum())
    counts["line_breaks"] += int(broken[ids].sum())
    kept = good[ids]
    sentence = np.cumsum(starts) - 1
    lengths = np.bincount(sentence[kept], minlength=1)
    renumber = np.cumsum(good) - 1
    return Segmented(
        words=[
            word.translate(_LINE_BREAKS) if breaks else word
            for word, ok, breaks in zip(words, good, broken, strict=True)
            if ok
        ],
        ids=renumber[ids[kept]].astype(np.uint32),
        lengths=lengths[lengths > 0].astype(np.uint32),
    )
