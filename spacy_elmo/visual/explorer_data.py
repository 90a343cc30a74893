"""What the explorer's page holds: occurrences, their groups and places, their vectors in 8 bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Token

from spacy_elmo.errors import ElmoError
from spacy_elmo.types import Ints
from spacy_elmo.visual.clusters import cluster, keywords
from spacy_elmo.visual.occurrences import by_sense, context, senses_of, spread
from spacy_elmo.visual.options import ExplorerOptions
from spacy_elmo.visual.projection import pca
from spacy_elmo.visual.rows import Rows, rows_in_context, unit_rows
from spacy_elmo.visual.text import plain

MAP = 1000
"""Places on the map of a word are whole numbers from 0 to this."""
_LONGEST = 160  # characters kept of a context on either side
_FEW = 10  # occurrences that a function word keeps, before other words lose any
_ENOUGH = 25  # occurrences that any word keeps, before more than the rarest are left out


@dataclass(frozen=True)
class Explored:
    """The contents of a page.

    Attributes:
        values: What is written as JSON.
        vectors: *Shape:* (n_occurrences, width).
        note: What was left out, in words; empty if nothing.
    """

    values: dict[str, Any]
    vectors: NDArray[np.int8]
    note: str


def explore(docs: Sequence[Doc], options: ExplorerOptions) -> Explored:
    """Collect the occurrences of all words, group them, and make their vectors small.

    Raises:
        ElmoError: For Docs without words, without vectors, and a first word that is not kept.
    """
    by_word: dict[str, list[Token]] = {}
    n_all = 0
    for doc in docs:
        for token in doc:
            if token.is_space or token.is_punct or not token.text.strip():
                continue
            by_word.setdefault(token.text.casefold(), []).append(token)
            n_all += 1
    if not by_word:
        raise ElmoError("style 'explorer': there is no word in these Docs")
    kept = _bounded(by_word, options)
    tokens = [token for found in kept.values() for token in found]
    rows = unit_rows(tokens, options.attribute)
    telling = rows_in_context(tokens, rows, options.attribute, options.surroundings)
    senses = senses_of(tokens, options.spans_key)
    words, groups, places = [], np.zeros(len(tokens), dtype=np.int64), np.zeros((len(tokens), 2))
    start = 0
    for found in kept.values():
        part = slice(start, start + len(found))
        groups[part], names = _groups(found, telling[part], senses[part])
        places[part] = _places(telling[part])
        words.append([_spelling(found), len(found), names])
        start += len(found)
    best = _telling(list(kept), words, telling, groups, kept)
    contexts = [context(token) for token in tokens]
    values = {
        "words": words,
        "before": [each.before[-_LONGEST:] for each in contexts],
        "word": [each.word for each in contexts],
        "after": [each.after[:_LONGEST] for each in contexts],
        "groups": groups.tolist(),
        "places": places.round().astype(int).ravel().tolist(),
        "first": _first(list(kept), words, best, options.word),
        "telling": sorted(best, key=list(kept).__getitem__),
    }
    note = _note(by_word, kept, n_all, options)
    return Explored(values, _quantised(rows, options.max_width), note)


def _bounded(
    by_word: Mapping[str, list[Token]], options: ExplorerOptions
) -> dict[str, list[Token]]:
    """The occurrences that are kept, by word, frequent words first.

    Too many: first function words keep fewer, then rare words go, then every word keeps fewer.
    """
    words = sorted(by_word, key=lambda word: (-len(by_word[word]), word))
    sizes = np.array([len(by_word[word]) for word in words])
    stops = np.array([by_word[word][0].is_stop for word in words])
    limit = options.max_occurrences

    def kept(most: int, rarest: int, few: int) -> NDArray[np.int64]:
        numbers = np.minimum(sizes, np.where(stops, min(most, few), most))
        return np.where(sizes >= rarest, numbers, 0)

    most = options.max_per_word
    enough = min(_ENOUGH, most)
    steps = [
        (most, 1, most),
        *((most, 1, few) for few in range(most, min(_FEW, most) - 1, -1)),
        *((most, rarest, _FEW) for rarest in range(2, 6)),
        *((cap, 5, _FEW) for cap in range(most, enough - 1, -1)),
    ]
    numbers = next((found for step in steps if (found := kept(*step)).sum() <= limit), None)
    if numbers is None:  # as many of the most frequent words as there is room for
        numbers = kept(enough, 1, _FEW)
        numbers = np.minimum(numbers, np.maximum(limit - (numbers.cumsum() - numbers), 0))
    return {
        word: [by_word[word][k] for k in spread(len(by_word[word]), int(number))]
        for word, number in zip(words, numbers, strict=True)
        if number
    }


def _groups(
    tokens: Sequence[Token], rows: Rows, senses: Sequence[str | None]
) -> tuple[Ints, list[str]]:
    """The group of each occurrence of a word, and the groups' names, the largest first."""
    if any(senses):
        return by_sense(senses)
    clusters = cluster(rows)
    if not clusters.any():
        return clusters, [""]
    return clusters, [", ".join(words) for words in keywords(tokens, clusters)]


def _places(rows: Rows) -> Rows:
    """Places on the map of one word, in its square, both axes by one measure."""
    places, _ = pca(rows)
    low, high = places.min(axis=0), places.max(axis=0)
    extent = float((high - low).max())
    if not extent:
        return np.full((len(rows), 2), MAP / 2)
    return np.asarray((places - (low + high) / 2) / extent * MAP + MAP / 2)


def _spelling(tokens: Sequence[Token]) -> str:
    """How a word is mostly written, small letters before capitals where both are as frequent."""
    counts = Counter(plain(token.text) for token in tokens)
    return max(sorted(counts, reverse=True), key=counts.__getitem__)


def _first(
    keys: Sequence[str], words: Sequence[Any], telling: Sequence[int], wanted: str | None
) -> int:
    """The number of the word that is shown first."""
    if wanted is not None:
        key = wanted.strip().casefold()
        if key not in keys:
            raise ElmoError(f"option word: {wanted!r} is not among the {len(keys):,} words kept")
        return list(keys).index(key)
    # Words are in the order of their frequency.
    return min(telling, default=0)


def _telling(
    keys: Sequence[str],
    words: Sequence[Any],
    rows: Rows,
    groups: NDArray[np.int64],
    kept: Mapping[str, list[Token]],
) -> list[int]:
    """Numbers of up to 24 words whose groups are farthest apart, function words left out."""
    scores, start = {}, 0
    for k, (key, (_, size, names)) in enumerate(zip(keys, words, strict=True)):
        part = slice(start, start + size)
        start += size
        token = kept[key][0]
        if len(names) < 2 or token.is_stop or token.like_num or not token.is_alpha:
            continue
        mine, own = rows[part], groups[part]
        centres = np.array([mine[own == g].mean(axis=0) for g in range(len(names))])
        inside = float(((mine - centres[own]) ** 2).sum(axis=1).mean())
        between = float(((centres[own] - mine.mean(axis=0)) ** 2).sum(axis=1).mean())
        if not inside + between:  # one vector in several groups: labels of the same sentence
            continue
        scores[k] = between / (inside + between) * min(size, 20) ** 0.5
    return sorted(scores, key=lambda k: (-scores[k], k))[:24]


def _quantised(rows: Rows, max_width: int) -> NDArray[np.int8]:
    """Rows in whole numbers from -127 to 127, each by a scale of its own: a cosine needs none."""
    if rows.shape[1] > max_width:
        # About the origin, not about the mean: cosines are to stay.
        _, vectors = np.linalg.eigh(rows.T @ rows)
        rows = rows @ vectors[:, ::-1][:, :max_width]
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = np.divide(rows * 127, largest, out=np.zeros_like(rows), where=largest > 0)
    small: NDArray[np.int8] = scaled.round().astype(np.int8)
    return small


def _note(
    by_word: Mapping[str, Sequence[Token]],
    kept: Mapping[str, Sequence[Token]],
    n_all: int,
    options: ExplorerOptions,
) -> str:
    n_kept = sum(map(len, kept.values()))
    if n_kept == n_all:
        return ""
    text = f"Left out: {n_all - n_kept:,} of {n_all:,} occurrences"
    if len(kept) < len(by_word):
        text += f", and with them {len(by_word) - len(kept):,} of {len(by_word):,} words, rare ones"
    most = max(map(len, kept.values()))
    return (
        f"{text}; at most {most:,} of one word are kept (max_occurrences = "
        f"{options.max_occurrences:,}, max_per_word = {options.max_per_word:,})."
    )
