"""Text in markup: escaped, with its direction, cut to a width."""

from __future__ import annotations

import re
import unicodedata
from html import escape as escape_html

# What XML 1.0 may not hold in any form, and lone surrogates, which UTF-8 cannot.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NARROW = frozenset("fijlrtI.,;:!|'()[]{} -/\"`")
_WIDE = frozenset("mwMW@%—")


def escape(text: str) -> str:
    r"""Text for HTML and SVG, in elements and attributes; what they cannot hold becomes U+FFFD.

    Line feeds and tabs are written as references: those of the markup are the template's own, and
    attributes would lose them.

    >>> escape('<b>"a" & \n</b>')
    '&lt;b&gt;&quot;a&quot; &amp; &#10;&lt;/b&gt;'
    """
    found = escape_html(_FORBIDDEN.sub("\ufffd", text))
    return found.translate({9: "&#9;", 10: "&#10;", 13: "&#13;"})


def plain(text: str) -> str:
    r"""Text on one line, in valid characters, not escaped.

    >>> plain("one\n  two")
    'one two'
    """
    return " ".join(_FORBIDDEN.sub("\ufffd", text).split())


def is_right_to_left(text: str) -> bool:
    """Whether a text runs from right to left, by its first letter that has a direction.

    >>> is_right_to_left("(שלום)"), is_right_to_left("bank")
    (True, False)
    """
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            return kind != "L"
    return False


def width_of(text: str, size: float) -> float:
    """About how wide a text is in a sans-serif font, in pixels, rather more than less.

    >>> width_of("漢字", 10), width_of("", 10)
    (20.0, 0)
    """
    return sum(map(_units, text)) * size


def cut(text: str, width: float, size: float, *, end: bool = True) -> str:
    """A text cut to a width, an ellipsis where something is missing.

    Args:
        text: The text.
        width: In pixels.
        size: Of the font, in pixels.
        end: Cut its end; else its beginning.

    >>> cut("a long sentence", 60, 10), cut("a long sentence", 60, 10, end=False)
    ('a long…', '…sentence')
    """
    if width_of(text, size) <= width:
        return text
    left = width - width_of("…", size)
    characters = list(text if end else reversed(text))
    kept = 0
    for character in characters:
        left -= _units(character) * size
        if left < 0:
            break
        kept += 1
    inside = kept < len(characters) and not characters[kept].isspace()
    found = "".join(characters[:kept])
    # At a space if one is near; there is none in Chinese and Japanese.
    space = found.rfind(" ")
    if inside and space >= max(len(found) - 15, 1):
        found = found[:space]
    found = found.rstrip()
    # A mark that was cut off its letter.
    while found and unicodedata.combining(found[-1]) and not end:
        found = found[:-1]
    return f"{found}…" if end else f"…{found[::-1]}"


def _units(character: str) -> float:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in _NARROW:
        return 0.36
    if character in _WIDE:
        return 0.92
    return 0.7 if character.isupper() else 0.57
