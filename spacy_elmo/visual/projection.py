"""Vectors as places on a map."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from spacy_elmo.errors import ElmoError
from spacy_elmo.visual.rows import Rows


def pca(rows: Rows, n_dims: int = 2) -> tuple[Rows, float]:
    """Principal components.

    The direction of an axis is arbitrary; here the largest value on it is positive.

    Args:
        rows: *Shape:* (n_rows, width).
        n_dims: Wanted; where there are fewer, zeros fill up.

    Returns:
        Places, *Shape:* (n_rows, n_dims), and the share of the variance that they show.
    """
    centred = rows - rows.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(rows), n_dims))
    n = min(n_dims, len(s))
    places[:, :n] = u[:, :n] * s[:n]
    largest = np.abs(places).argmax(axis=0)
    places *= np.where(places[largest, range(n_dims)] < 0, -1.0, 1.0)
    total = float((s * s).sum())
    return places, float((s[:n] ** 2).sum() / total) if total else 1.0


def umap(rows: Rows) -> Rows:
    """UMAP by the package umap-learn, with a fixed seed. *Shape:* (n_rows, 2).

    Raises:
        ElmoError: If it is not installed, or there are fewer than four rows.
    """
    try:
        UMAP = import_module("umap").UMAP
    except ImportError as error:
        raise ElmoError(
            f'projection "umap" needs the package umap-learn ({error}): install it, or take "pca"'
        ) from error
    if len(rows) < 4:
        raise ElmoError(f'projection "umap" needs four points, and there are {len(rows)}')
    reducer = UMAP(n_neighbors=min(15, len(rows) - 1), metric="cosine", random_state=0, n_jobs=1)
    return np.asarray(reducer.fit_transform(rows), dtype=np.float64)
