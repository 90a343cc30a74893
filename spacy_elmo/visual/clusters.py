"""Occurrences of a word in groups of similar ones, and words that tell the groups apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from spacy.tokens import Span, Token

from spacy_elmo.types import Ints
from spacy_elmo.visual.projection import pca

Rows = np.ndarray[Any, np.dtype[np.float64]]

MOST_CLUSTERS = 6
ENOUGH = 0.12
"""The silhouette that more than one cluster must reach: below, a cut separates nothing."""
_DIMS = 10  # directions in which the rows differ most; the others are mostly noise
_SAMPLE = 200  # rows by which the number of clusters is chosen
_REACH = 8  # tokens on either side that describe a context


def cluster(rows: Rows, n_clusters: int | None = None) -> Ints:
    """Put rows into clusters, the largest first.

    k-means in the ten principal directions, from rows that are far from each other, so that the
    same rows give the same clusters. The number is the one with the largest mean silhouette
    (Rousseeuw 1987), if that is 0.12 or more, else one.

    Args:
        rows: *Shape:* (n_rows, width).
        n_clusters: How many at most; None: chosen.

    Returns:
        The number of each row's cluster. *Shape:* (n_rows,).
    """
    n = len(rows)
    places, _ = pca(rows, min(_DIMS, n, rows.shape[1]))
    if n_clusters is not None:
        return _by_size(_k_means(places, min(n_clusters, n)))
    best, best_score = np.zeros(n, dtype=np.int64), ENOUGH
    # A cluster of one or two is no meaning yet.
    for k in range(2, min(MOST_CLUSTERS, n // 3) + 1):
        found = _k_means(places, k)
        score = silhouette(places[:_SAMPLE], found[:_SAMPLE])
        if np.bincount(found).min() >= 2 and score > best_score:
            best, best_score = found, score
    return _by_size(best)


def silhouette(places: Rows, clusters: Ints) -> float:
    """Mean silhouette: how much nearer a row is to its own cluster than to the next, -1 to 1."""
    labels = np.unique(clusters)
    if len(labels) < 2:
        return 0.0
    squares = (places * places).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * places @ places.T, 0.0))
    members = clusters[:, None] == labels
    sums, sizes = distances @ members, members.sum(axis=0)
    own = members.argmax(axis=1)
    rows = np.arange(len(places))
    inside = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = sums / sizes
    means[rows, own] = np.inf
    outside = means.min(axis=1)
    scores = (outside - inside) / np.maximum(np.maximum(outside, inside), 1e-12)
    return float(np.where(sizes[own] > 1, scores, 0.0).mean())


def keywords(objects: Sequence[Token | Span], clusters: Ints, n: int = 3) -> list[list[str]]:
    """For each cluster the words near its occurrences that are rarer near the others'."""
    n_clusters = int(clusters.max(initial=0)) + 1
    near = [_near(each) for each in objects]
    sizes = np.bincount(clusters, minlength=n_clusters)
    inside = [Counter[str]() for _ in range(n_clusters)]
    for words, number in zip(near, clusters, strict=True):
        inside[number].update(words)
    total = sum(inside, Counter[str]())
    found = []
    for number, counts in enumerate(inside):
        others = len(objects) - sizes[number]
        scores = {
            word: (count + 0.1) / (sizes[number] + 1) - (total[word] - count + 0.1) / (others + 1)
            for word, count in counts.items()
        }
        ranked = sorted(scores, key=lambda word: (-scores[word], word))
        found.append([word for word in ranked[:n] if scores[word] > 0])
    return found


def _near(obj: Token | Span) -> set[str]:
    """The content words around an occurrence, each once."""
    doc = obj.doc
    start, end = (obj.i, obj.i + 1) if isinstance(obj, Token) else (obj.start, obj.end)
    first, last = max(start - _REACH, 0), min(end + _REACH, len(doc))
    if doc.has_annotation("SENT_START"):
        first, last = max(first, doc[start].sent.start), min(last, doc[end - 1].sent.end)
    own = {token.lower_ for token in doc[start:end]}
    return {
        token.lower_
        for token in doc[first:last]
        if not (token.is_stop or token.is_punct or token.is_space or token.like_num)
        and any(character.isalpha() for character in token.text)
        and token.lower_ not in own
    }


def _k_means(places: Rows, k: int, rounds: int = 30) -> Ints:
    # The first centre is the row nearest to the middle, each next one the farthest from all.
    distances = ((places - places.mean(axis=0)) ** 2).sum(axis=1)
    centres = [places[int(distances.argmin())]]
    nearest = ((places - centres[0]) ** 2).sum(axis=1)
    while len(centres) < k:
        centres.append(places[int(nearest.argmax())])
        nearest = np.minimum(nearest, ((places - centres[-1]) ** 2).sum(axis=1))
    middle = np.array(centres)
    found = np.zeros(len(places), dtype=np.int64)
    for _ in range(rounds):
        distances_to = (middle * middle).sum(axis=1) - 2 * places @ middle.T
        new = distances_to.argmin(axis=1)
        for number in range(k):
            if (members := places[new == number]).size:
                middle[number] = members.mean(axis=0)
        if (new == found).all():
            break
        found = new
    return found


def _by_size(clusters: Ints) -> Ints:
    """Numbered anew, the largest first, equal ones in their order."""
    numbers, first, sizes = np.unique(clusters, return_index=True, return_counts=True)
    order = sorted(range(len(numbers)), key=lambda k: (-sizes[k], first[k]))
    renumbered = np.zeros(int(clusters.max(initial=0)) + 1, dtype=np.int64)
    for new, k in enumerate(order):
        renumbered[numbers[k]] = new
    return renumbered[clusters]
