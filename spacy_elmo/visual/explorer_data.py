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
from spacy_elmo.visual.clusters import cluster, keywords
from spacy_elmo.visual.occurrences import context, senses_of, spread, unit_rows
from spacy_elmo.visual.options import ExplorerOptions
from spacy_elmo.visual.projection import Rows, pca
from spacy_elmo.visual.text import plain

MAP = 1000
"""Places on the map of a word are whole numbers from 0 to this."""
NO_SENSE = "no sense given"
_LONGEST = 160  # characters kept of a context on either side
_FEW = 10  # occurrences that a word keeps before words are left out


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
    senses = senses_of(tokens, options.spans_key)
    words, groups, places = [], np.zeros(len(tokens), dtype=np.int64), np.zeros((len(tokens), 2))
    start = 0
    for found in kept.values():
        part = slice(start, start + len(found))
        names, groups[part] = _groups(found, rows[part], senses[part])
        places[part] = _places(rows[part])
        words.append([_spelling(found), len(found), names])
        start += len(found)
    contexts = [context(token) for token in tokens]
    values = {
        "words": words,
        "before": [each.before[-_LONGEST:] for each in contexts],
        "word": [each.word for each in contexts],
        "after": [each.after[:_LONGEST] for each in contexts],
        "groups": groups.tolist(),
        "places": places.round().astype(int).ravel().tolist(),
        "first": _first(list(kept), words, options.word),
        "telling": _telling(list(kept), words, rows, groups, kept),
    }
    note = _note(by_word, kept, n_all, options)
    return Explored(values, _quantised(rows, options.max_width), note)


def _bounded(
    by_word: Mapping[str, list[Token]], options: ExplorerOptions
) -> dict[str, list[Token]]:
    """The occurrences that are kept, by word, frequent words first.

    Too many: words that occur once go, then each word keeps fewer, then rare words go.
    """
    words = sorted(by_word, key=lambda word: (-len(by_word[word]), word))
    sizes = np.array([len(by_word[word]) for word in words])
    most, limit = options.max_per_word, options.max_occurrences
    if np.minimum(sizes, most).sum() > limit:
        words = words[: max(int((sizes > 1).sum()), 1)]
        sizes = sizes[: len(words)]
    while np.minimum(sizes, most).sum() > limit and most > min(_FEW, options.max_per_word):
        most -= 1
    totals = np.minimum(sizes, most).cumsum()
    words = words[: max(int((totals <= limit).sum()), 1)]
    most = min(most, limit)
    return {word: [by_word[word][k] for k in spread(len(by_word[word]), most)] for word in words}


def _groups(
    tokens: Sequence[Token], rows: Rows, senses: Sequence[str | None]
) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the groups of a word, the largest first, and the group of each occurrence."""
    if any(senses):
        counts = Counter(sense for sense in senses if sense)
        names = sorted(counts, key=lambda name: (-counts[name], name))
        if not all(senses):
            names.append(NO_SENSE)
        number = {name: k for k, name in enumerate(names)}
        return names, np.array([number[sense or NO_SENSE] for sense in senses])
    clusters = cluster(rows)
    if not clusters.any():
        return [""], clusters
    return [", ".join(words) for words in keywords(tokens, clusters)], clusters


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


def _first(keys: Sequence[str], words: Sequence[Any], wanted: str | None) -> int:
    """The number of the word that is shown first."""
    if wanted is not None:
        key = wanted.strip().casefold()
        if key not in keys:
            raise ElmoError(f"option word: {wanted!r} is not among the {len(keys):,} words kept")
        return list(keys).index(key)
    grouped = [k for k, (_, _, names) in enumerate(words) if len(names) > 1]
    return grouped[0] if grouped else 0


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
        scores[k] = between / (inside + between) * min(size, 20) ** 0.5
    best = sorted(scores, key=lambda k: (-scores[k], k))[:24]
    return sorted(best, key=lambda k: keys[k])


def _quantised(rows: Rows, max_width: int) -> NDArray[np.int8]:
    """Rows in whole numbers from -127 to 127, each by a scale of its own: a cosine needs none."""
    if rows.shape[1] > max_width:
        # About the origin, not about the mean: cosines are to stay.
        _, vectors = np.linalg.eigh(rows.T @ rows)
        rows = rows @ vectors[:, ::-1][:, :max_width]
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = np.divide(rows * 127, largest, out=np.zeros_like(rows), where=largest > 0)
    return scaled.round().astype(np.int8)


def _note(
    by_word: Mapping[str, Sequence[Token]],
    kept: Mapping[str, Sequence[Token]],
    n_all: int,
    options: ExplorerOptions,
) -> str:
    n_kept = sum(map(len, kept.values()))
    if n_kept == n_all:
        return ""
    most = max(map(len, kept.values()))
    text = f"{n_kept:,} of {n_all:,} occurrences are here: at most {most:,} of each word"
    if len(kept) < len(by_word):
        rarest = min(len(by_word[word]) for word in kept)
        gone = max(len(each) for word, each in by_word.items() if word not in kept)
        text += (
            f", and {len(kept):,} of {len(by_word):,} words (those that occur {rarest} times or "
            "more)"
            if gone < rarest
            else f", and {len(kept):,} of {len(by_word):,} words (the most frequent)"
        )
    return f"{text}. Limits: max_occurrences = {options.max_occurrences:,}, max_per_word = " + (
        f"{options.max_per_word:,}."
    )
