"""The frames around what is drawn: an SVG picture, a figure, a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

from spacy_elmo.visual.text import escape, is_right_to_left, width_of
from spacy_elmo.visual.theme import FONT, LEVELS, Theme, style_sheet, variables

PADDING = 20

Anchor = Literal["start", "middle", "end"]
_MIRRORED: dict[Anchor, Anchor] = {"start": "end", "end": "start", "middle": "middle"}


class Picture(NamedTuple):
    """A finished picture.

    Attributes:
        markup: SVG, an element of HTML, or a whole page.
        title: What it is called.
        is_page: Whether it is a whole page already.
    """

    markup: str
    title: str
    is_page: bool = False


def svg(
    parts: Iterable[str],
    size: tuple[float, float],
    *,
    title: str,
    description: str,
    theme: Theme,
    scale: Literal["blue", "warm"] | None = None,
    role: Literal["img", "group"] = "img",
) -> str:
    """An SVG picture around its parts, with a background and a text that says what it shows.

    Args:
        parts: Elements, their origin at the upper left corner inside the padding.
        size: Width and height of what they take, without padding.
        title: Its name, for readers that do not see it and as a tooltip.
        description: What can be seen on it, in words.
        theme: Of the colours.
        scale: Of the colours of values, if there are any.
        role: "group" if there are elements on it that can be visited.
    """
    body = "\n".join(parts)
    name = "elmo-" + sha256(f"{title}{description}{body}".encode()).hexdigest()[:10]
    width, height = (round(side + 2 * PADDING) for side in size)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="elmo elmo-{theme}" role="{role}" '
        f'aria-labelledby="{name}-t {name}-d" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="max-width:100%;height:auto" '
        f'font-family="{FONT}" font-size="13">\n'
        f'<title id="{name}-t">{escape(title)}</title>\n'
        f'<desc id="{name}-d">{escape(description)}</desc>\n'
        f"<style>{style_sheet(theme, scale=scale)}</style>\n"
        f'<rect class="elmo-paper" width="{width}" height="{height}" rx="8"/>\n'
        f'<g transform="translate({PADDING} {PADDING})">\n{body}\n</g>\n</svg>'
    )


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: Anchor = "start",
    look: str = "ink",
    size: float | None = None,
    bold: bool = False,
    turn: float = 0,
) -> str:
    """A line of text at a place, anchored on its left ("start"), middle or right.

    Args:
        x: Of its anchor.
        y: Of its base line.
        content: The text, not escaped.
        anchor: Whatever the direction of the text, "start" is its left end.
        look: Class of its colour.
        size: Of the font, in pixels; None: 13.
        bold: Whether it is bold.
        turn: Degrees it is turned by around its anchor.
    """
    attributes = ""
    if is_right_to_left(content):
        attributes += ' direction="rtl"'
        anchor = _MIRRORED[anchor]
    if anchor != "start":
        attributes += f' text-anchor="{anchor}"'
    if size is not None:
        attributes += f' font-size="{size:g}"'
    if bold:
        attributes += ' font-weight="600"'
    place = f'x="{x:.1f}" y="{y:.1f}"'
    if turn:
        place = f'transform="translate({x:.1f} {y:.1f}) rotate({turn:g})"'
    return f'<text class="elmo-{look}" {place}{attributes}>{escape(content)}</text>'


def colour_bar(
    x: float, y: float, ends: tuple[str, str], caption: str, *, width: float = 160
) -> list[str]:
    """A scale lying on its side, its ends labelled, a caption before it; 14 pixels high."""
    parts = [text(x, y + 11, caption, look="soft", size=12)]
    x += width_of(caption, 12) + 10
    parts.append(text(x, y + 11, ends[0], look="soft", size=12))
    x += width_of(ends[0], 12) + 6
    step = width / LEVELS
    parts += [
        f'<rect class="elmo-v{k}" x="{x + k * step:.1f}" y="{y:.1f}" width="{step + 0.3:.1f}" '
        'height="13"/>'
        for k in range(LEVELS)
    ]
    parts.append(
        f'<rect class="elmo-line" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="13" '
        'fill="none"/>'
    )
    parts.append(text(x + width + 6, y + 11, ends[1], look="soft", size=12))
    return parts


def mark(kind: int, x: float, y: float, radius: float = 5.0) -> str:
    """The mark of a kind: its colour and its shape tell it from others."""
    r = radius
    shapes = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}"',
        f'<rect x="{x - r * 0.9:.1f}" y="{y - r * 0.9:.1f}" width="{r * 1.8:g}" '
        f'height="{r * 1.8:g}"',
        f'<path d="M{x:.1f} {y - r * 1.15:.1f}l{r * 1.15:g} {r * 2:g}h{-r * 2.3:g}z"',
        f'<path d="M{x:.1f} {y - r * 1.3:.1f}l{r * 1.3:g} {r * 1.3:g}l{-r * 1.3:g} {r * 1.3:g}'
        f'l{-r * 1.3:g} {-r * 1.3:g}z"',
        f'<path d="M{x - r:.1f} {y - r * 0.4:.1f}h{r * 0.6:g}v{-r * 0.6:g}h{r * 0.8:g}v{r * 0.6:g}'
        f"h{r * 0.6:g}v{r * 0.8:g}h{-r * 0.6:g}v{r * 0.6:g}h{-r * 0.8:g}v{-r * 0.6:g}"
        f'h{-r * 0.6:g}z"',
    )
    colour, shape = look_of(kind)
    return f'{shapes[shape]} class="elmo-k{colour} elmo-mark"/>'


def look_of(kind: int) -> tuple[int, int]:
    """Numbers of the colour and of the shape of a kind; 35 kinds have a look of their own."""
    return kind % 7, (kind + kind // 35) % 5


def page(pictures: Sequence[Picture], theme: Theme) -> str:
    """A whole HTML page of pictures."""
    title = pictures[0].title if pictures else "spacy-elmo"
    figures = "\n".join(
        f'<figure style="margin:0 0 2.5rem">\n{picture.markup}\n</figure>' for picture in pictures
    )
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n'
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>{variables(theme)}body{{margin:0;padding:2rem;background:var(--paper);"
        f"color:var(--ink);font-family:{FONT}}}</style>\n"
        f"</head>\n<body>\n{figures}\n</body>\n</html>\n"
    )


def minify(markup: str) -> str:
    """Markup without the line breaks between its elements."""
    return re.sub(r">\n+\s*<", "><", markup).strip()
