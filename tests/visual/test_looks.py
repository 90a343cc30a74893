"""Texts and colours: what is readable, by everybody, whatever stands in a text."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.visual.markup import look_of, minify
from spacy_elmo.visual.text import cut, escape, is_right_to_left, plain, width_of
from spacy_elmo.visual.theme import DARK, LIGHT, Palette, contrast, luminance, steps, text_on

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@given(ANY_TEXT)
@settings(max_examples=200)
def test_escaped_text_comes_back_from_the_markup(text: str) -> None:
    element = ElementTree.fromstring(f'<a title="{escape(text)}">{escape(text)}</a>')
    expected = "".join(char if is_kept(char) else "\ufffd" for char in text)
    assert (element.text or "") == expected
    assert element.get("title") == expected
    escape(text).encode("utf8")


def is_kept(char: str) -> bool:
    """Whether XML 1.0 and HTML may hold a character."""
    code = ord(char)
    return (
        char in "\t\n\r"
        or 0x20 <= code <= 0x7E
        or 0xA0 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or code > 0xFFFF
    )


@given(ANY_TEXT, st.floats(10, 300), st.booleans())
@settings(max_examples=200)
def test_cut_text_fits_and_is_a_part(text: str, width: float, end: bool) -> None:
    text = plain(text)
    found = cut(text, width, 10, end=end)
    if found != text:
        assert width_of(found, 10) <= width + 10
        kept = found[:-1] if end else found[1:]
        assert text.startswith(kept) if end else text.endswith(kept)


def test_chinese_is_cut_between_characters() -> None:
    assert cut("我们坐在河岸上看着河水流过", 60, 10) == "我们坐在河…"


def test_directions() -> None:
    assert is_right_to_left("123 العربية")
    assert not is_right_to_left("123 — 日本語")


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_everything_stands_out_from_the_background(palette: Palette) -> None:
    assert contrast(palette.ink, palette.paper) > 7
    assert contrast(palette.soft, palette.paper) > 4.5
    # WCAG 2.1, 1.4.11, for marks.
    assert min(contrast(kind, palette.paper) for kind in palette.kinds) >= 3


@pytest.mark.parametrize("anchors", [LIGHT.blue, LIGHT.warm, DARK.blue, DARK.warm])
def test_a_scale_is_told_by_lightness_and_its_text_can_be_read(anchors: tuple[str, ...]) -> None:
    colours = steps(anchors)
    values = [luminance(colour) for colour in colours]
    assert values in (sorted(values), sorted(values, reverse=True))
    assert len(set(colours)) == len(colours)
    assert min(contrast(text_on(colour), colour) for colour in colours) > 4.3


# Machado et al. (2009), severity 1, on linear RGB.
BLINDNESS = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_first_kinds_are_told_apart_by_the_colour_blind(
    palette: Palette, blindness: str
) -> None:
    def seen(colour: str) -> tuple[float, ...]:
        linear = [(int(colour[k : k + 2], 16) / 255) ** 2.2 for k in (1, 3, 5)]
        mixed = [
            sum(a * b for a, b in zip(row, linear, strict=True)) for row in BLINDNESS[blindness]
        ]
        return tuple(255 * min(max(value, 0.0), 1.0) ** (1 / 2.2) for value in mixed)

    colours = [seen(kind) for kind in palette.kinds[:3]]
    for k, one in enumerate(colours):
        for other in colours[:k]:
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 50


def test_kinds_differ_in_colour_or_shape_and_neighbours_in_both() -> None:
    looks = [look_of(k) for k in range(35)]
    assert len(set(looks)) == 35
    assert all(a != c and b != d for (a, b), (c, d) in pairwise(looks))


def test_minifying_leaves_texts_alone() -> None:
    assert minify("<a>\n<b> x    y </b>\n</a>\n") == "<a><b> x    y </b></a>"
