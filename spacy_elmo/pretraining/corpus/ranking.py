"""The order of a corpus's types: the vocabulary first, each part from frequent to rare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spacy_elmo.vocabulary import SPECIAL_WORDS


def order_types(
    counts: Mapping[str, int],
    *,
    max_vocab: int | None = None,
    min_count: int = 1,
    vocabulary: Sequence[str] | None = None,
) -> tuple[list[str], int]:
    """All types, the vocabulary first, each part from frequent to rare, ties by code points.

    Args:
        counts: Occurrences of each type.
        max_vocab: Entries of the vocabulary at most, the special words among them.
        min_count: Occurrences that a word of the vocabulary must have.
        vocabulary: A vocabulary to use as it is, instead of the two limits.

    Returns:
        The types, and how many of them are the vocabulary.

    >>> order_types({"b": 1, "the": 5, "a": 1}, max_vocab=5)
    (['<S>', '</S>', '<UNK>', 'the', 'a', 'b'], 5)
    >>> order_types({"b": 1, "the": 5, "a": 1}, vocabulary=["<S>", "</S>", "<UNK>", "b"])
    (['<S>', '</S>', '<UNK>', 'b', 'the', 'a'], 4)
    """
    head = list(SPECIAL_WORDS if vocabulary is None else vocabulary)
    known = set(head)
    ranked = sorted((-n, word) for word, n in counts.items() if word not in known)
    types = head + [word for _, word in ranked]
    if vocabulary is not None:
        return types, len(vocabulary)
    least = len(SPECIAL_WORDS)
    frequent = least + sum(-n >= min_count for n, _ in ranked)
    return types, frequent if max_vocab is None else max(least, min(frequent, max_vocab))
