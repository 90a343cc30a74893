"""Style `similarity`: a heat map of the cosines of tokens, spans or docs with each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from spacy.tokens import Doc, Span, Token

from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.doc.similarity import similarity_matrix
from spacy_elmo.types import Floats
from spacy_elmo.visual.markup import Picture, colour_bar, svg, text
from spacy_elmo.visual.occurrences import Context, Object, context, spread
from spacy_elmo.visual.options import SimilarityOptions
from spacy_elmo.visual.text import cut, escape, is_right_to_left, width_of
from spacy_elmo.visual.theme import level

FONT = 13.0
GAP = 10.0  # between groups
BEFORE, AFTER = 180.0, 175.0  # widths of a context
LABEL = 240.0  # of any other label


class Item(NamedTuple):
    """A row of the map: its label, either a context or a text, and its group."""

    label: Context
    group: str | None


def draw(docs: Any, options: SimilarityOptions) -> list[Picture]:
    """The picture of one Doc's or Span's tokens, or of any tokens, spans and docs given as a list.

    Raises:
        ElmoError: For less than two things to compare, or labels and groups of another number.
        ValueError: Before `elmo` has run.
    """
    objects = list(_objects(docs))
    for name, values in (("labels", options.labels), ("groups", options.groups)):
        if values is not None and len(values) != len(objects):
            raise ElmoError(
                f"option {name} has {len(values)} entries for {len(objects)} things to compare: "
                "give one each"
            )
    if len(objects) < 2:
        raise ElmoError(
            f"style 'similarity' compares two tokens, spans or docs at least, not {len(objects)}"
        )
    kept = spread(len(objects), options.max_items)
    left_out = len(objects) - len(kept)
    items = _items(objects, kept, options, whole=isinstance(docs, (Doc, Span)))
    order = _grouped(items)
    cosines = similarity_matrix([objects[kept[k]] for k in order], attribute=options.attribute)
    note = f"{len(kept):,} of {len(objects):,} shown, evenly spread" if left_out else ""
    return [_picture([items[k] for k in order], cosines, note, options)]


def _objects(docs: Any) -> Iterable[Object]:
    if isinstance(docs, (Doc, Span)):
        return (token for token in docs if not token.is_space)
    if isinstance(docs, Token) or not isinstance(docs, Iterable) or isinstance(docs, (str, bytes)):
        raise ElmoError(
            "style 'similarity' compares tokens, spans and docs: give a Doc, for its tokens, or a "
            f"list of several, not a {type(docs).__name__}"
        )
    found = list(docs)
    for each in found:
        if not isinstance(each, (Doc, Span, Token)):
            raise ElmoError(
                f"style 'similarity' compares tokens, spans and docs, not a {type(each).__name__}"
            )
    return found


def _items(
    objects: Sequence[Object], kept: list[int], options: SimilarityOptions, *, whole: bool
) -> list[Item]:
    groups: Sequence[str | None] | None = options.groups
    if groups is None:
        labels = [each.label_ if isinstance(each, Span) else "" for each in objects]
        groups = labels if all(labels) else [None] * len(objects)
    found = []
    for k in kept:
        if options.labels is not None:
            label = Context("", " ".join(str(options.labels[k]).split()), "")
        elif whole:
            label = Context("", objects[k].text, "")
        else:
            label = context(objects[k])
        found.append(Item(label, None if groups[k] is None else str(groups[k])))
    return found


def _grouped(items: Sequence[Item]) -> list[int]:
    """Indices in an order that has the members of a group together, groups as they first come."""
    first: dict[str | None, int] = {}
    for item in items:
        first.setdefault(item.group, len(first))
    return sorted(range(len(items)), key=lambda k: first[items[k].group])


def _picture(
    items: Sequence[Item], cosines: Floats, note: str, options: SimilarityOptions
) -> Picture:
    n = len(items)
    apart = cosines[~np.eye(n, dtype=bool)]
    low, high = float(apart.min()), float(apart.max())
    with_values = options.values if options.values is not None else n <= 16
    cell = 30.0 if with_values else (22.0 if n <= 30 else 16.0 if n <= 60 else 13.0)
    font = min(FONT, cell * 0.8)
    starts = [k for k in range(1, n) if items[k].group != items[k - 1].group]
    at = [k * cell + GAP * sum(start <= k for start in starts) for k in range(n)]
    side = at[-1] + cell

    labels = [_fit(item.label, font) for item in items]
    before = max(width_of(label.before, font) for label in labels)
    after = max(width_of(label.word + label.after, font * 1.04) for label in labels)
    is_concordance = before > 0 or any(label.after for label in labels)
    titles = {item.group for item in items if item.group is not None}
    title_width = max((width_of(cut(each, 130, FONT), FONT) for each in titles), default=0.0)
    left = (title_width + 24 if titles else 0.0) + before + after + 12
    short = not is_concordance and after <= 90
    head = min(after, 90.0) + 10 if short else 22.0
    title = options.title if options.title is not None else "How similar these are in context"
    top = (34.0 if options.title else 0.0) + head

    parts = [text(0, 13, options.title, size=16, bold=True)] if options.title else []
    for k in range(n):
        y = top + at[k] + cell / 2 + font * 0.36
        number = str(k + 1)
        parts += _label(labels[k], left - 12 - after, left - 12, y, font, is_concordance)
        x = left + at[k] + cell / 2
        if short:
            if after <= cell:  # characters of Chinese or Japanese, say
                parts.append(text(x, top - 6, labels[k].word, anchor="middle", size=font))
            else:
                parts.append(text(x + 4, top - 6, labels[k].word, size=font, turn=-90))
        else:
            parts.append(text(x, top - 8, number, anchor="middle", look="soft", size=10))
    for start, end in zip([0, *starts], [*starts, n], strict=True):
        group = items[start].group
        if group is None:
            continue
        y, bottom = top + at[start] + 2, top + at[end - 1] + cell - 2
        x = title_width + 10
        parts.append(
            f'<path class="elmo-line" fill="none" stroke-width="1.5" d="M{x + 6:.1f} {y:.1f}h-6'
            f'V{bottom:.1f}h6"/>'
        )
        name = cut(group, 130, FONT)
        parts.append(text(x - 8, (y + bottom) / 2 + 4.5, name, anchor="end", bold=True))
    parts += _cells(items, cosines, (low, high), at, cell, (left, top), with_values)
    ends = (f"{low:.2f}", f"{high:.2f}")
    parts += colour_bar(
        left, top + side + 18, ends, "cosine", width=min(160.0, max(side - 130, 60))
    )
    height = top + side + 34
    if note:
        height += 20
        parts.append(text(left, height, note, look="soft", size=12))
    width = max(left + side, left + 260, width_of(options.title or "", 16))
    description = _description(items, cosines, note)
    picture = svg(
        parts,
        (width, height),
        title=title,
        description=description,
        theme=options.theme,
        scale="blue",
    )
    return Picture(picture, title)


def _fit(label: Context, font: float) -> Context:
    if not label.before and not label.after:
        return Context("", cut(label.word, LABEL, font), "")
    word = cut(label.word, AFTER * 0.8, font)
    left = AFTER - width_of(word, font)
    return Context(
        cut(label.before, BEFORE, font, end=False), word, cut(label.after, max(left, 20), font)
    )


def _label(
    label: Context, pivot: float, right: float, y: float, font: float, is_concordance: bool
) -> list[str]:
    """A label right-aligned, or a context with its word at the pivot."""
    if not is_concordance:
        return [text(right, y, label.word, anchor="end", size=font)]
    if is_right_to_left(str(label)):
        # Mirrored: what comes before stands on the right.
        whole = f'{escape(label.before)}<tspan font-weight="700">{escape(label.word)}</tspan>'
        return [
            f'<text class="elmo-ink" x="{right:.1f}" y="{y:.1f}" direction="rtl" '
            f'font-size="{font:g}">{whole}{escape(label.after)}</text>'
        ]
    return [
        f'<text class="elmo-ink" x="{pivot:.1f}" y="{y:.1f}" text-anchor="end" '
        f'font-size="{font:g}" xml:space="preserve">{escape(label.before)}</text>',
        f'<text class="elmo-ink" x="{pivot:.1f}" y="{y:.1f}" font-size="{font:g}" '
        f'xml:space="preserve"><tspan font-weight="700">{escape(label.word)}</tspan>'
        f"{escape(label.after)}</text>",
    ]


def _cells(
    items: Sequence[Item],
    cosines: Floats,
    ends: tuple[float, float],
    at: Sequence[float],
    cell: float,
    corner: tuple[float, float],
    with_values: bool,
) -> list[str]:
    left, top = corner
    low, high = ends
    names = [escape(cut(str(item.label), 300, FONT)) for item in items]
    parts = []
    for i in range(len(items)):
        for j in range(len(items)):
            x, y, cosine = left + at[j], top + at[i], float(cosines[i, j])
            place = f'x="{x:.1f}" y="{y:.1f}" width="{cell - 1:g}" height="{cell - 1:g}" rx="2"'
            if i == j:  # with itself: says nothing
                parts.append(f'<rect class="elmo-line" fill="none" {place}/>')
                continue
            step = level((cosine - low) / (high - low) if high > low else 1.0)
            tip = f"<title>{cosine:.3f}&#10;{names[i]}&#10;{names[j]}</title>"
            parts.append(f'<rect class="elmo-v{step}" {place}>{tip}</rect>')
            if with_values:
                value = f"{cosine:.2f}".replace("0.", ".", 1)
                parts.append(
                    f'<text class="elmo-w{step}" x="{x + cell / 2 - 0.5:.1f}" '
                    f'y="{y + cell / 2 + 3.5:.1f}" text-anchor="middle" font-size="11" '
                    f'pointer-events="none">{value}</text>'
                )
    return parts


def _description(items: Sequence[Item], cosines: Floats, note: str) -> str:
    n = len(items)
    pairs = [(float(cosines[i, j]), i, j) for i in range(n) for j in range(i)]
    (least, a, b), (most, c, d) = min(pairs), max(pairs)

    def name(k: int) -> str:
        return f"“{cut(str(items[k].label), 300, FONT)}”"

    parts = [
        f"Heat map of the cosines of {n} items with each other.",
        f"Most similar ({most:.2f}): {name(d)} and {name(c)}.",
        f"Least similar ({least:.2f}): {name(b)} and {name(a)}.",
    ]
    same = [cosine for cosine, i, j in pairs if items[i].group == items[j].group]
    other = [cosine for cosine, i, j in pairs if items[i].group != items[j].group]
    if same and other:
        parts.append(
            f"Mean cosine within a group {np.mean(same):.2f}, between groups {np.mean(other):.2f}."
        )
    return " ".join([*parts, note]).strip()
