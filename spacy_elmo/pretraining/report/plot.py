"""The curves of a training as an SVG picture, written without any plotting library."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

from spacy_elmo.pretraining.perplexity.exact import perplexity_of

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 28, 48, 56
# What is drawn, and its look: on a light and on a dark background. Held-out curves have marks, and
# backward ones are dashed, so that nothing is told by colour alone.
COLOURS = {
    "training, forward": ("#7fb6dc", "#2f6f9f"),
    "training, backward": ("#f0a868", "#9a5a20"),
    "held-out, forward": ("#0b5c9c", "#6cb8f0"),
    "held-out, backward": ("#c14a00", "#ff9a4d"),
}
LOOKS = {
    "paper": ("fill:#ffffff", "fill:#12161c"),
    "ink": ("fill:#1f2328", "fill:#e6edf3"),
    "soft": ("fill:#59636e", "fill:#9da7b3"),
    "grid": ("stroke:#d1d9e0", "stroke:#333b45"),
    **{
        f"curve{k}": (f"stroke:{light}", f"stroke:{dark}")
        for k, (light, dark) in enumerate(COLOURS.values())
    },
    **{
        f"dot{k}": (f"fill:{light}", f"fill:{dark}")
        for k, (light, dark) in enumerate(COLOURS.values())
    },
}
Theme = Literal["auto", "light", "dark"]

MOST_TICKS = 10
MOST_DOTS = 60
MOST_PERPLEXITY = 1e300

Curve = list[tuple[float, float]]


def curves(entries: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    """Perplexity over tokens, from the entries of a log; a curve per kind and direction."""
    found: dict[str, Curve] = {}
    for entry in entries:
        for kind, key in (("training", "loss"), ("held-out", "heldout")):
            for name, value in zip(("forward", "backward"), entry.get(key, ()), strict=False):
                value = perplexity_of(value) if key == "loss" else value
                # Neither infinity nor what is no perplexity has a place in a picture.
                value = min(max(value, 1.0), MOST_PERPLEXITY)
                found.setdefault(f"{kind}, {name}", []).append((entry["tokens"], value))
    return found


def draw(
    entries: Sequence[Mapping[str, Any]], title: str, *, theme: Theme = "auto", note: str = ""
) -> str:
    """An SVG picture of a log's perplexities, on a logarithmic scale.

    Args:
        entries: Of the log.
        title: What to write above.
        theme: "light", "dark", or "auto": what the reader's system prefers.
        note: What to write below.
    """
    found = {name: points for name, points in curves(entries).items() if points}
    values = [y for points in found.values() for _, y in points] or [1.0, 10.0]
    most = max([1.0, *(x for points in found.values() for x, _ in points)])
    low, high = math.log10(min(values)), math.log10(max(values))
    low, high = low - 0.05, max(high, low + 0.1) + 0.05

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / most
        up = (math.log10(y) - low) / (high - low)
        return across, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * up

    title, note = _clean(title), _clean(note)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="elmo-curves elmo-curves-{theme}" '
        f'role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'style="max-width:100%;height:auto" '
        'font-family="system-ui,-apple-system,\'Segoe UI\',Roboto,sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(_description(found, most))}</desc>",
        f"<style>{_style(theme)}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
        f'<text class="ink" x="20" y="28" font-size="16" font-weight="600">{escape(title)}</text>',
    ]
    for value in _ticks(low, high):
        _, y = place(0, value)
        parts.append(
            f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
            f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for value in _steps(most):
        x, y = place(value, 10**low)
        parts.append(
            f'<text class="soft" x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">'
            f"{_short(value)}</text>"
        )
    parts.append(
        f'<text class="soft" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" '
        'text-anchor="middle">tokens seen</text>'
        f'<text class="soft" transform="translate(22 {HEIGHT / 2}) rotate(-90)" '
        'text-anchor="middle">perplexity (training: sampled softmax)</text>'
    )
    for number, (name, points) in enumerate(found.items()):
        parts += _curve(name, [place(*point) for point in points], TOP + 12 + 18 * number)
    if note:
        parts.append(
            f'<text class="ink" x="{WIDTH - RIGHT}" y="{HEIGHT - 14}" text-anchor="end">'
            f"{escape(note)}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _curve(name: str, places: Sequence[tuple[float, float]], top: float) -> list[str]:
    """A curve, and its entry in the legend."""
    number = list(COLOURS).index(name)
    dash = ' stroke-dasharray="6 3"' if "backward" in name else ""
    width = 2.4 if "held-out" in name else 1.6
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    line = f'class="curve{number}" fill="none" stroke-width="{width}"{dash}'
    parts = [
        f'<polyline points="{path}" stroke-linejoin="round" {line}/>'
        f'<line x1="{WIDTH - 190}" y1="{top}" x2="{WIDTH - 156}" y2="{top}" {line}/>'
        f'<text class="ink" x="{WIDTH - 148}" y="{top + 4}">{name}</text>'
    ]
    # A single one is no line; held-out figures are few.
    if len(places) == 1 or ("held-out" in name and len(places) <= MOST_DOTS):
        dots = [*places, (WIDTH - 173, top)]
        parts += [f'<circle class="dot{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in dots]
    return parts


def _description(found: Mapping[str, Curve], most: float) -> str:
    """What the curves say, in words."""
    parts = [
        f"{name}: from {points[0][1]:.4g} to {points[-1][1]:.4g}" for name, points in found.items()
    ]
    return f"Perplexity over {_short(most)} tokens of training. {'; '.join(parts)}."


def _style(theme: Theme) -> str:
    """The looks as rules that hold inside this picture alone, also on a page with others."""

    def rules(column: int) -> str:
        return "".join(
            f".elmo-curves-{theme} .{name}{{{look[column]}}}" for name, look in LOOKS.items()
        )

    if theme == "auto":
        return f"{rules(0)}@media (prefers-color-scheme:dark){{{rules(1)}}}"
    return rules(0 if theme == "light" else 1)


def _clean(text: str) -> str:
    """Text as XML may hold it: a name of a folder can be anything."""
    kinds = ("Cc", "Cs", "Cn")  # control characters, lone surrogates, what is no character
    return "".join("\ufffd" if unicodedata.category(each) in kinds else each for each in text)


def _ticks(low: float, high: float) -> list[float]:
    """Between two and ten round numbers between two logarithms, 0.2 apart at least.

    >>> _ticks(1.9, 3.4)
    [100.0, 200.0, 500.0, 1000.0, 2000.0]
    >>> _ticks(math.log10(325), math.log10(440))
    [340.0, 360.0, 380.0, 400.0, 420.0, 440.0]
    """
    powers = range(math.floor(low), math.ceil(high) + 1)
    values = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    found = [value for value in values if low <= math.log10(value) <= high]
    if len(found) > MOST_TICKS:
        every = math.ceil(len(powers) / MOST_TICKS)
        return [10.0**power for power in powers[::every] if low <= power <= high]
    if len(found) > 1:
        return found
    step = _round_step(10**high - 10**low)
    first, last = math.ceil(10**low / step), math.floor(10**high / step)
    return [round(step * number, 9) for number in range(first, last + 1)]


def _steps(most: float) -> list[float]:
    """About five round numbers from 0 to the most.

    >>> _steps(21_000_000)
    [0.0, 5000000.0, 10000000.0, 15000000.0, 20000000.0]
    """
    step = _round_step(most)
    return [step * k for k in range(int(most / step) + 1)]


def _round_step(length: float) -> float:
    """1, 2 or 5 times a power of ten, less than six of which make a length."""
    power = 10.0 ** math.floor(math.log10(length / 6))
    return next(k * power for k in (1, 2, 5, 10) if length / (k * power) < 6)


def _short(value: float) -> str:
    """A number of tokens.

    >>> _short(2_500_000.0), _short(40_000.0), _short(500.0)
    ('2.5 M', '40 k', '500')
    """
    if value < 1e3:
        return f"{value:g}"
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k"
