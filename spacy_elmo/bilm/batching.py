"""Cutting a stream into batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def batched(
    items: Iterable[Item],
    size: Callable[[Item], int],
    *,
    max_size: int,
    max_items: int | None = None,
) -> Iterator[list[Item]]:
    """Items in order, as many together as fit.

    Args:
        items: What to cut; may be endless.
        size: Size of an item.
        max_size: Bound of the sum of the sizes in a batch. A larger item is a batch of its own.
        max_items: Bound of the items in a batch, whatever their size.

    Yields:
        One batch after the other, none of them empty.

    >>> list(batched(["a", "bb", "ccc", "d"], len, max_size=3))
    [['a', 'bb'], ['ccc'], ['d']]
    """
    batch: list[Item] = []
    total = 0
    for item in items:
        item_size = size(item)
        if batch and (total + item_size > max_size or len(batch) == max_items):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += item_size
    if batch:
        yield batch
