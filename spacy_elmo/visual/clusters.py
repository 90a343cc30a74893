"""Occurrences of a word in groups of similar ones, and words that tell the groups apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from spacy.tokens import Span, Token

from spacy_elmo.types import Ints
from spacy_elmo.visual.occurrences import is_content, place_of, window
from spacy_elmo.visual.projection import pca
from spacy_elmo.visual.rows import REACH, Rows

MOST_CLUSTERS = 6
ENOUGH = 0.12
"""The silhouette that more than one cluster must reach: below, a cut separates nothing."""
_DIMS = 5  # directions in which the rows differ most; the others are mostly noise
_RUNS, _ROUNDS = 10, 30
_SAMPLE = 200  # rows by which the number of clusters is chosen


def cluster(rows: Rows, n_clusters: int | None = None) -> Ints:
    """Put rows into clusters, the largest first.

    k-means in the five principal directions, by fixed random numbers, so that the same rows give
    the same clusters. The number is the one with the largest mean silhouette (Rousseeuw 1987), if
    that is more than 0.12, else one.

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
    # Some occurrences of each cluster there should be, and two at the least.
    for k in range(2, min(MOST_CLUSTERS, n // 4) + 1):
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
    sizes = np.bincount(clusters, minlength=n_clusters)
    inside = [Counter[str]() for _ in range(n_clusters)]
    nearest: list[dict[str, int]] = [{} for _ in range(n_clusters)]
    for each, number in zip(objects, clusters, strict=True):
        for word, distance in _near(each).items():
            inside[number][word] += 1
            nearest[number][word] = min(nearest[number].get(word, distance), distance)
    total = sum(inside, Counter[str]())
    found = []
    for number, counts in enumerate(inside):
        others = len(objects) - sizes[number]
        shares = {
            word: count / sizes[number] - (total[word] - count) / max(others, 1)
            for word, count in counts.items()
        }
        # Of words as frequent, those that stood nearer.
        ranked = sorted(
            (word for word in shares if shares[word] > 0),
            key=lambda word: (-shares[word], nearest[number][word], word),
        )
        found.append(ranked[:n])
    return found


def _near(obj: Token | Span) -> dict[str, int]:
    """The content words around an occurrence, and the least distance of each in tokens."""
    doc = obj.doc
    (start, end), (first, last) = place_of(obj), window(obj, REACH)
    own = {token.lower_ for token in doc[start:end]}
    found: dict[str, int] = {}
    for token in doc[first:last]:
        if is_content(token) and token.lower_ not in own:
            distance = max(start - token.i, token.i - end + 1)
            found[token.lower_] = min(found.get(token.lower_, distance), distance)
    return found


def _k_means(places: Rows, k: int) -> Ints:
    """The best of ten runs, from rows drawn as by k-means++ (Arthur and Vassilvitskii 2007)."""
    random = np.random.default_rng(0)
    best, least = np.zeros(len(places), dtype=np.int64), np.inf
    for _ in range(_RUNS):
        found, inertia = _settle(places, _centres(places, k, random))
        # Runs that end in the same clusters, numbered otherwise, differ by rounding.
        if inertia < least * (1 - 1e-9):
            best, least = found, inertia
    return best


def _centres(places: Rows, k: int, random: np.random.Generator) -> Rows:
    """Rows, each drawn the more likely the farther it is from those before; k of them at most."""
    chosen = [int(random.integers(len(places)))]
    nearest = ((places - places[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < k and nearest.sum() > 0:
        at = nearest.cumsum().searchsorted(random.random() * nearest.sum(), side="right")
        chosen.append(min(int(at), len(places) - 1))
        nearest = np.minimum(nearest, ((places - places[chosen[-1]]) ** 2).sum(axis=1))
    return places[chosen]


def _settle(places: Rows, centres: Rows) -> tuple[Ints, float]:
    """Lloyd's steps until nothing changes, and the sum of squares that is left."""
    centres, found = centres.copy(), np.full(len(places), -1)
    for _ in range(_ROUNDS):
        new = ((centres * centres).sum(axis=1) - 2 * places @ centres.T).argmin(axis=1)
        if (new == found).all():
            break
        found = new
        for number in np.unique(found):
            centres[number] = places[found == number].mean(axis=0)
    return found, float(((places - centres[found]) ** 2).sum())


def _by_size(clusters: Ints) -> Ints:
    """Numbered anew, the largest first, equal ones in their order."""
    numbers, first, sizes = np.unique(clusters, return_index=True, return_counts=True)
    order = sorted(range(len(numbers)), key=lambda k: (-sizes[k], first[k]))
    renumbered = np.zeros(int(clusters.max(initial=0)) + 1, dtype=np.int64)
    for new, k in enumerate(order):
        renumbered[numbers[k]] = new
    return renumbered[clusters]
