"""Words to character ids, as bilm-tf's `Batcher` makes them."""

from typing import Any

import numpy as np
import numpy.typing as npt

BOS_WORD, EOS_WORD, UNK_WORD = "<S>", "</S>", "<UNK>"

# Ids 0 to 255 are the bytes of UTF-8; all ids move up by one at the end, so that 0 can be padding.
BOS_SENTENCE, EOS_SENTENCE, BEGIN_WORD, END_WORD, PAD = 256, 257, 258, 259, 260


def character_ids(word: str, max_characters: int = 50) -> npt.NDArray[Any]:
    """Ids of one word.

    Shape: (max_characters,)
    """
    if word == BOS_WORD:
        inner = [BOS_SENTENCE]
    elif word == EOS_WORD:
        inner = [EOS_SENTENCE]
    else:
        # Cut by bytes: the last character may be cut in the middle.
        inner = list(word.encode("utf-8", "ignore")[: max_characters - 2])
    ids = [BEGIN_WORD, *inner, END_WORD]
    ids += [PAD] * (max_characters - len(ids))
    return np.array(ids) + 1
