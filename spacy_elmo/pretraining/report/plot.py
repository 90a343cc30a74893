"""The curves of a training as an SVG picture, written without any plotting library."""

from __future__ import annotations

import math
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

MOST_TICKS = 10
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


def draw(entries: Sequence[Mapping[str, Any]], title: str) -> str:
    """An SVG picture of a log's perplexities, on a logarithmic scale.

    Args:
        entries: Of the log.
        title: What to write above.
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
        places = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        if len(places) == 1:  # which is no line
            ((x, y),) = places
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[name]}"/>')
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
