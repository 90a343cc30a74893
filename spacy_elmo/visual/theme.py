"""Colours, light and dark, as classes of a style sheet.

Every picture paints its own background, so that it can be read wherever it is put. Values are told
by lightness alone; kinds by colour and by shape. The colours of kinds are those of Okabe and Ito
(2008), which people with any common colour blindness tell apart, some of them made lighter or
darker to stand out from the background.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[str, ...] = get_args(Theme)

LEVELS = 24
"""Steps of a scale."""

FONT = (
    "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans',Arial,"
    "'Noto Sans CJK SC','Noto Naskh Arabic',sans-serif"
)


class Palette(NamedTuple):
    """Colours on one background.

    Attributes:
        paper: The background.
        ink: Of text.
        soft: Of text that matters less.
        line: Of rules and frames.
        blue: Anchors of a scale, low to high.
        warm: Likewise.
        kinds: One for each kind.
    """

    paper: str
    ink: str
    soft: str
    line: str
    blue: tuple[str, ...]
    warm: tuple[str, ...]
    kinds: tuple[str, ...]


LIGHT = Palette(
    paper="#ffffff",
    ink="#1f2328",
    soft="#59636e",
    line="#d1d9e0",
    blue=("#f1f4f8", "#cbdcec", "#86b3d8", "#3a7fbd", "#12508f", "#08305f"),
    warm=("#ffffff", "#fdf0d9", "#fbd29a", "#f3a35c", "#d9702a", "#a1420f"),
    kinds=("#0072b2", "#d55e00", "#009e73", "#b3568a", "#b07d00", "#2a8fc4", "#5b5b5b"),
)
DARK = Palette(
    paper="#12161c",
    ink="#e6edf3",
    soft="#9da7b3",
    line="#333b45",
    blue=("#1d242d", "#1f3d5c", "#27608f", "#3a88c0", "#7dbbe6", "#d9efff"),
    warm=("#12161c", "#3b2815", "#6d4317", "#a9661d", "#e39a45", "#ffd79b"),
    kinds=("#4ba3e3", "#f08030", "#1fc49a", "#e08fc0", "#e6b422", "#8fd0f5", "#b5b5b5"),
)

_BASE = (
    ".elmo-tip{visibility:hidden}"
    ".elmo-point{cursor:pointer;outline:none}"
    ".elmo-point:hover .elmo-tip,.elmo-point:focus .elmo-tip{visibility:visible}"
    ".elmo-point:hover .elmo-mark,.elmo-point:focus .elmo-mark{stroke-width:6}"
)


def level(share: float) -> int:
    """The step of a scale for a share of its length.

    >>> level(0.0), level(1.0), level(7.0)
    (0, 23, 23)
    """
    return min(max(int(share * LEVELS), 0), LEVELS - 1)


def style_sheet(theme: Theme, *, scale: Literal["blue", "warm"] | None = None) -> str:
    """The rules of a picture.

    Args:
        theme: "auto" follows what the reader's system prefers.
        scale: The scale whose steps are wanted, as classes `elmo-v0` to `elmo-v23` for what is
            filled and `elmo-w0` to `elmo-w23` for text on it.
    """
    if theme == "auto":
        light, dark = _rules(LIGHT, "auto", scale), _rules(DARK, "auto", scale)
        return f"{_BASE}{light}@media (prefers-color-scheme:dark){{{dark}}}"
    return _BASE + _rules(LIGHT if theme == "light" else DARK, theme, scale)


def variables(theme: Theme) -> str:
    """The same colours as variables of a page, `--paper` and the like, and its colour scheme."""
    if theme != "auto":
        palette = LIGHT if theme == "light" else DARK
        return f":root{{color-scheme:{theme};{_variables(palette)}}}"
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    )


def steps(anchors: tuple[str, ...], n: int = LEVELS) -> list[str]:
    """Colours in equal steps between anchors.

    >>> steps(("#000000", "#0000ff"), 3)
    ['#000000', '#000080', '#0000ff']
    """
    points = [_channels(anchor) for anchor in anchors]
    found = []
    for k in range(n):
        at = k / (n - 1) * (len(points) - 1)
        low = min(int(at), len(points) - 2)
        pairs = zip(points[low], points[low + 1], strict=True)
        mixed = [round(a + (at - low) * (b - a)) for a, b in pairs]
        found.append("#" + "".join(f"{value:02x}" for value in mixed))
    return found


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, as WCAG 2 defines it."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(colour))
    ]
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21, as WCAG 2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_on(colour: str) -> str:
    """Black or white, whichever is read more easily on a colour."""
    return max("#0d1117", "#ffffff", key=lambda text: contrast(text, colour))


def _rules(palette: Palette, theme: str, scale: Literal["blue", "warm"] | None) -> str:
    rules = {
        "paper": f"fill:{palette.paper};background:{palette.paper}",
        "ink": f"fill:{palette.ink};color:{palette.ink}",
        "soft": f"fill:{palette.soft};color:{palette.soft}",
        "line": f"stroke:{palette.line};border-color:{palette.line}",
    }
    for k, colour in enumerate(palette.kinds):
        rules[f"k{k}"] = f"fill:{colour};stroke:{colour}"
        rules[f"on{k}"] = f"fill:{text_on(colour)}"
    if scale is not None:
        for k, colour in enumerate(steps(getattr(palette, scale))):
            text = text_on(colour)
            rules[f"v{k}"] = f"fill:{colour};background:{colour};color:{text}"
            rules[f"w{k}"] = f"fill:{text}"
    # The root of a picture bears the class of its theme, and may be painted itself.
    return "".join(
        f".elmo-{theme} .elmo-{name},.elmo-{theme}.elmo-{name}{{{rule}}}"
        for name, rule in rules.items()
    )


def _variables(palette: Palette) -> str:
    named = {
        "paper": palette.paper,
        "ink": palette.ink,
        "soft": palette.soft,
        "line": palette.line,
        **{f"k{k}": colour for k, colour in enumerate(palette.kinds)},
    }
    return ";".join(f"--{name}:{colour}" for name, colour in named.items())


def _channels(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
