"""The distinct word types of a window, in tables of a size that never changes.

A captured graph has fixed shapes, so the tables have room for more types than windows usually
hold; rows that are not used repeat type 0. Short words and long ones have a table each: most words
are short, and the character CNN need not read their padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Characters of the shorter table, if the words allow it. English: 98 % of a window's types.
SHORT = 24


@dataclass(frozen=True)
class Capacity:
    """Room for types.

    Attributes:
        short: Rows for words whose marks and characters, with one window of padding behind them,
            fit into `SHORT` columns.
        long: Rows for the others.
    """

    short: int
    long: int


class DistinctTypes:
    """Numbers the types of a window.

    Args:
        is_long: Which types go to the second table. *Shape:* (n_types,), bool.
        capacity: Room for types.

    Attributes:
        missing: The largest number of types any window had too many for its table; 0 or less if
            all had room. On the device. *Shape:* ().
    """

    def __init__(self, is_long: Tensor, capacity: Capacity) -> None:
        self.is_long = is_long
        self.capacity = capacity
        self.n_rows = capacity.short + capacity.long
        self.missing = torch.full((), -(1 << 30), dtype=torch.int64, device=is_long.device)
        self._every = torch.arange(len(is_long), device=is_long.device)

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Number the types of a window.

        Args:
            inputs: Type ids, of any shape.

        Returns:
            The types of all rows, short ones first, *Shape:* (n_rows,), and the row of each input,
            *Shape:* as inputs.
        """
        room = self.capacity
        seen = torch.zeros_like(self._every).index_fill_(0, inputs.reshape(-1), 1)
        long = seen * self.is_long
        short = seen - long
        short_place, long_place = torch.cumsum(short, 0), torch.cumsum(long, 0)
        missing = torch.maximum(short_place[-1] - room.short, long_place[-1] - room.long)
        torch.maximum(self.missing, missing, out=self.missing)
        place = torch.where(
            self.is_long,
            room.short + (long_place - 1).clamp(0, room.long - 1),
            (short_place - 1).clamp(0, room.short - 1),
        )
        # Types that are not there write into one row more, which is cut off.
        types = torch.zeros(self.n_rows + 1, dtype=torch.int64, device=inputs.device)
        types.scatter_(0, torch.where(seen.bool(), place, self.n_rows), self._every)
        return types[: self.n_rows], place[inputs]


def long_types(characters: Tensor, padding: int, widest: int) -> Tensor:
    """Which types do not fit into `SHORT` columns.

    Args:
        characters: Character ids of every type. *Shape:* (n_types, n_columns).
        padding: Id of a column behind the word.
        widest: Width of the widest filter.

    Returns:
        *Shape:* (n_types,), bool.
    """
    used = (characters != padding).sum(1)
    return used + widest > min(SHORT, characters.shape[1])


def measure_capacity(windows: list[Tensor], is_long: Tensor) -> Capacity:
    """Room that some windows need, and a fifth more.

    Args:
        windows: Type ids of each.
        is_long: See `DistinctTypes`.
    """
    short = long = 1
    for inputs in windows:
        types = torch.unique(inputs)
        n_long = int(is_long[types].sum())
        short, long = max(short, len(types) - n_long), max(long, n_long)
    return Capacity(*(min(len(is_long), _roomy(size)) for size in (short, long)))


def _roomy(size: int) -> int:
    return -(-(size + size // 5 + 64) // 128) * 128
