"""Style `senses`: occurrences of a word as points on a map, with their contexts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.errors import ElmoError
from spacy_elmo.types import Ints
from spacy_elmo.visual.clusters import cluster, keywords
from spacy_elmo.visual.markup import Picture, mark, svg, text
from spacy_elmo.visual.occurrences import (
    Context,
    as_docs,
    by_sense,
    context,
    find,
    senses_of,
    spread,
)
from spacy_elmo.visual.options import SensesOptions
from spacy_elmo.visual.projection import pca, umap
from spacy_elmo.visual.rows import Rows, rows_in_context, unit_rows
from spacy_elmo.visual.text import cut, escape, is_right_to_left, width_of

WIDTH, HEIGHT = 760.0, 430.0
LEGEND = 20.0  # height of a line


def draw(docs: Any, options: SensesOptions) -> list[Picture]:
    """The picture of all occurrences of a word in some Docs, or of tokens and spans as given.

    Raises:
        ElmoError: If the word does not occur, there are no senses to colour by, or `elmo` has not
            run.
    """
    found = occurrences(docs, options)
    kept = spread(len(found), options.max_points)
    objects = [found[k] for k in kept]
    rows = unit_rows(objects, options.attribute)
    rows = rows_in_context(objects, rows, options.attribute, options.surroundings)
    kinds, names = kinds_of(objects, rows, options)
    if options.projection == "umap":
        places, how = umap(rows), "UMAP"
    else:
        places, share = pca(rows)
        how = f"PCA: the two axes show {share:.0%} of the variance"
    shown = f"{len(found):,} occurrences"
    if len(objects) < len(found):
        shown = f"{len(objects):,} of {len(found):,} occurrences, evenly spread"
    word = options.word or objects[0].text
    title = options.title if options.title is not None else f"“{' '.join(word.split())}” in context"
    return [_picture(objects, places, kinds, names, title, f"{shown}. {how}.", options)]


def occurrences(docs: Any, options: SensesOptions) -> Sequence[Token | Span]:
    """What is to be shown.

    Raises:
        ElmoError: If there is nothing.
    """
    given = docs if isinstance(docs, (Doc, Span)) or not isinstance(docs, Iterable) else list(docs)
    if isinstance(given, list) and given and all(isinstance(each, (Token, Span)) for each in given):
        if options.word is not None:
            raise ElmoError("option word is for Docs, and tokens or spans were given: leave it out")
        return given
    found = as_docs(given, "senses")
    if options.word is None:
        raise ElmoError(
            "style 'senses' shows the occurrences of one word: name it in the option word, or give "
            "a list of tokens or spans"
        )
    return find(found, options.word)


def kinds_of(
    objects: Sequence[Token | Span], rows: Rows, options: SensesOptions
) -> tuple[Ints, list[str]]:
    """The number of each occurrence's sense or cluster, and their names, the largest first.

    Raises:
        ElmoError: Where senses are asked for and no occurrence has one.
    """
    senses = senses_of(objects, options.spans_key)
    if options.color == "sense" and not any(senses):
        raise ElmoError(
            f"no occurrence has a sense: doc.spans[{options.spans_key!r}] holds no labelled span "
            'over any. Run a trained `elmo_senses`, or set the option color = "cluster"'
        )
    if options.color != "cluster" and any(senses):
        return by_sense(senses)
    kinds = cluster(rows, options.n_clusters)
    if not kinds.any():
        return kinds, ["one cluster"]
    return kinds, [
        ", ".join(words) or "(no words of its own)" for words in keywords(objects, kinds)
    ]


def _picture(
    objects: Sequence[Token | Span],
    places: Rows,
    kinds: Ints,
    names: Sequence[str],
    title: str,
    note: str,
    options: SensesOptions,
) -> Picture:
    parts = [text(0, 14, cut(title, WIDTH, 16), size=16, bold=True)]
    sizes = np.bincount(kinds, minlength=len(names))
    legend, top = _legend([f"{name} ({size})" for name, size in zip(names, sizes, strict=True)], 44)
    parts += legend
    parts.append(
        f'<rect class="elmo-line" x="0" y="{top:.1f}" width="{WIDTH:g}" height="{HEIGHT:g}" '
        'fill="none" rx="6"/>'
    )
    x, y = _fit(places, top)
    bottom = top + HEIGHT
    hint = "Point at a mark, or reach it by the Tab key, to read it in context."
    parts.append(text(0, bottom + 24, hint, look="soft", size=12))
    strip = f'<rect class="elmo-paper" x="0" y="{bottom + 6:.1f}" width="{WIDTH:g}" height="26"/>'
    radius = 6.0 if len(objects) <= 100 else 4.5 if len(objects) <= 400 else 3.5
    for k, each in enumerate(objects):
        about = context(each)
        label = f"{names[kinds[k]]}: {about}"
        parts.append(
            f'<g class="elmo-point" tabindex="0" role="img" aria-label="{escape(label)}">'
            f"{mark(int(kinds[k]), float(x[k]), float(y[k]), radius)}"
            f'<g class="elmo-tip">{strip}{_line(about, bottom + 24)}</g></g>'
        )
    parts.append(text(0, bottom + 46, note, look="soft", size=12))
    counted = "; ".join(f"{name}: {size}" for name, size in zip(names, sizes, strict=True))
    picture = svg(
        parts,
        (WIDTH, bottom + 50),
        title=title,
        description=f"Map on which similar uses lie close together. {note} {counted}.",
        theme=options.theme,
        role="group",
    )
    return Picture(picture, title)


def _legend(entries: Sequence[str], y: float) -> tuple[list[str], float]:
    """Marks with names, in as many lines as they need, and where they end."""
    parts, x = [], 0.0
    for k, entry in enumerate(entries):
        name = cut(entry, WIDTH / 2, 13)
        width = 18 + width_of(name, 13) + 22
        if x and x + width > WIDTH:
            x, y = 0.0, y + LEGEND
        parts += [mark(k, x + 6, y - 4.5, 5.5), text(x + 18, y, name)]
        x += width
    return parts, y + 14


def _fit(places: Rows, top: float) -> tuple[Rows, Rows]:
    """Places on the map, both axes by one measure, so that distances can be compared."""
    margin = 22.0
    spans = places.max(axis=0) - places.min(axis=0)
    room = np.array([WIDTH - 2 * margin, HEIGHT - 2 * margin])
    scale = float(min(room / np.maximum(spans, 1e-9))) if spans.any() else 1.0
    centred = (places - (places.max(axis=0) + places.min(axis=0)) / 2) * scale
    return WIDTH / 2 + centred[:, 0], top + HEIGHT / 2 - centred[:, 1]


def _line(about: Context, y: float) -> str:
    """A context on one line, its word in the middle."""
    before, after = (
        cut(about.before, WIDTH / 2 - 40, 13, end=False),
        cut(about.after, WIDTH / 2 - 60, 13),
    )
    direction = ' direction="rtl"' if is_right_to_left(str(about)) else ""
    return (
        f'<text class="elmo-ink" x="{WIDTH / 2:g}" y="{y:.1f}" text-anchor="middle" '
        f'xml:space="preserve"{direction}>{escape(before)}<tspan font-weight="700">'
        f"{escape(about.word)}</tspan>{escape(after)}</text>"
    )
