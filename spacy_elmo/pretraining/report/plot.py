"""The curves of a training as an SVG picture, written without any plotting library."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from spacy_elmo.pretraining.perplexity.exact import perplexity_of

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 40, 48
COLOURS = {
    "training, forward": "#9ecae1",
    "training, backward": "#fdae6b",
    "held-out, forward": "#1f77b4",
    "held-out, backward": "#d95f02",
}

Curve = list[tuple[float, float]]


def curves(entries: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    """Perplexity over tokens, from the entries of a log; a curve per kind and direction."""
    found: dict[str, Curve] = {}
    for entry in entries:
        for kind, key in (("training", "loss"), ("held-out", "heldout")):
            for name, value in zip(("forward", "backward"), entry.get(key, ()), strict=False):
                value = perplexity_of(value) if key == "loss" else value
                value = min(value, sys.float_info.max)  # infinity has no place in a picture
                found.setdefault(f"{kind}, {name}", []).append((entry["tokens"], value))
    return found


def draw(entries: Sequence[Mapping[str, Any]], title: str) -> str:
    """An SVG picture of a log's perplexities, on a logarithmic scale.

    Args:
        entries: Of the log.
        title: What to write above.
    """
    found = {name: points for name, points in curves(entries).items() if points}
    values = [y for points in found.values() for _, y in points] or [1.0, 10.0]
    most = max([x for points in found.values() for x, _ in points] or [1.0])
    low, high = math.log10(min(values)), math.log10(max(values))
    low, high = low - 0.05, max(high, low + 0.1) + 0.05

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / most
        up = (math.log10(y) - low) / (high - low)
        return across, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * up

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for value in _ticks(low, high):
        _, y = place(0, value)
        parts.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e0e0e0"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for value in _steps(most):
        x, y = place(value, 10**low)
        parts.append(
            f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{_short(value)}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        "tokens seen</text>"
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        "perplexity (training: sampled softmax)</text>"
    )
    for number, (name, points) in enumerate(found.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
        colour = COLOURS[name]
        top = TOP + 8 + 16 * number
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
            f'<line x1="{WIDTH - 170}" y1="{top}" x2="{WIDTH - 146}" y2="{top}" '
            f'stroke="{colour}" stroke-width="3"/>'
            f'<text x="{WIDTH - 140}" y="{top + 4}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two logarithms."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    values = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    return [value for value in values if 10**low <= value <= 10**high]


def _steps(most: float) -> list[float]:
    """About five round numbers from 0 to the most.

    >>> _steps(21_000_000)
    [0.0, 5000000.0, 10000000.0, 15000000.0, 20000000.0]
    """
    power = 10.0 ** math.floor(math.log10(most / 6))
    step = next(k * power for k in (1, 2, 5, 10) if most / (k * power) < 6)
    return [step * k for k in range(int(most / step) + 1)]


def _short(value: float) -> str:
    """A number of tokens.

    >>> _short(2_500_000.0), _short(40_000.0)
    ('2.5 M', '40 k')
    """
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k"
