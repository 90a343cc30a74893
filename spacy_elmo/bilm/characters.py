"""Words to character ids, byte for byte as the original (bilm-tf, UnicodeCharsVocabulary)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spacy_elmo.vocabulary import BOS_WORD, EOS_WORD

# Ids as the network sees them: one above the byte or mark, because 0 stands for "no token".
OFFSET = 1
BEGIN_OF_SENTENCE = 256 + OFFSET
END_OF_SENTENCE = 257 + OFFSET
BEGIN_OF_WORD = 258 + OFFSET
END_OF_WORD = 259 + OFFSET
PADDING = 260 + OFFSET

_SENTENCE_MARKS = {BOS_WORD: BEGIN_OF_SENTENCE, EOS_WORD: END_OF_SENTENCE}


def character_ids(words: Sequence[str], max_characters: int = 50) -> NDArray[np.uint16]:
    """Character ids of words.

    A word is its UTF-8 bytes between a begin and an end mark, cut after `max_characters - 2` bytes
    (which may split a character, as in the original), then padded. Lone surrogates, which UTF-8
    cannot hold, are left out, as the original's `encode("utf-8", "ignore")` does. The words `<S>`
    and `</S>` get the ids of the sentence boundaries.

    Args:
        words: The words.
        max_characters: Positions per word.

    Returns:
        Ids, uint16. *Shape:* (n_words, max_characters).

    >>> character_ids(["ab"], 6)
    array([[259,  98,  99, 260, 261, 261]], dtype=uint16)
    """
    ids = np.full((len(words), max_characters), PADDING, dtype=np.uint16)
    ids[:, 0] = BEGIN_OF_WORD
    for row, word in zip(ids, words, strict=True):
        units = read_of(word, max_characters)
        if isinstance(units, str):
            row[1], row[2] = _SENTENCE_MARKS[units], END_OF_WORD
            continue
        end = len(units) + 1
        row[1:end] = np.frombuffer(units, dtype=np.uint8)
        row[1:end] += OFFSET
        row[end] = END_OF_WORD
    return ids


def read_of(word: str, max_characters: int = 50) -> str | bytes:
    r"""What of a word is read: its bytes as far as there are positions; a sentence mark is itself.

    >>> read_of("straße", 7), read_of("<S>")
    (b'stra\xc3', '<S>')
    """
    if word in _SENTENCE_MARKS:
        return word
    # No character is less than a byte: of a very long word only the beginning is encoded, and more
    # only if lone surrogates are left out of it.
    room = max_characters - 2
    units = word[:room].encode("utf-8", "ignore")
    if len(units) < room < len(word):
        units = word.encode("utf-8", "ignore")
    return units[:room]
