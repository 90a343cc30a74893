"""Bounds of sizes, and the checks of what is given as one."""

from __future__ import annotations

from collections.abc import Iterable

ACTIVATIONS = ("relu", "tanh")
ORIGINAL_FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))

# Sizes beyond these are mistakes or attacks: what asks for them would take all memory, or for ever.
LARGEST_WIDTH = 2**20
LARGEST_DEPTH = 1_000
LARGEST_WORD = 10_000
LARGEST_TABLE = 2**31 - 1
LARGEST_ALPHABET = 2**16  # character ids are stored in 16 bits
LARGEST_MODEL = 2**35


def whole(name: str, value: int, least: int, most: int) -> int:
    """Check a whole number.

    Args:
        name: What it is, for messages.
        value: The number.
        least: The least it may be.
        most: The most it may be.

    Returns:
        The number.

    Raises:
        ValueError: It is no whole number, or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}: expected a whole number of at least {least}")
    if value > most:
        shown = value if value < 10**30 else "10^30 or more"
        raise ValueError(f"{name} is {shown}: expected a whole number of at most {most:,}")
    return value


def width(name: str, value: int) -> int:
    """Check a width, 1 or more; see `whole`."""
    return whole(name, value, 1, LARGEST_WIDTH)


def convolutions(
    name: str, filters: Iterable[tuple[int, int]], positions: int, activation: str
) -> tuple[tuple[int, int], ...]:
    """Check the convolutions over the characters of a word.

    Args:
        name: What of the config they belong to, for messages.
        filters: Pairs (width in characters, number of filters).
        positions: Positions per word, into which each must fit.
        activation: What is applied after the maximum over positions.

    Returns:
        The pairs.

    Raises:
        ValueError: A number is out of bounds, or the activation is unknown.
    """
    pairs = tuple(
        (width("filter width", size), width("number of filters", number))
        for size, number in filters
    )
    whole("number of filter widths", len(pairs), 0, LARGEST_DEPTH)
    widest = max((size for size, _ in pairs), default=0)
    if widest > positions:
        raise ValueError(
            f"{name}.filters: a filter of width {widest} does not fit into "
            f"max_characters_per_token = {positions}"
        )
    if activation not in ACTIVATIONS:
        raise ValueError(f"{name}.activation is {activation!r}: expected one of {ACTIVATIONS}")
    return pairs
