"""Memory that a step takes, gives back, and finds again in the next.

Blocks of many megabytes go back to the system when they are freed, and taking them anew costs a
fault for each of their pages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor


class Buffers:
    """Tensors that are not in use, to be had again in the same shape.

    Threads may share it: it never has more tensors than were taken at one time.
    """

    def __init__(self) -> None:
        self._free: defaultdict[tuple[object, ...], list[Tensor]] = defaultdict(list)

    def take(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """A tensor of any values.

        Args:
            shape: Its shape.
            like: A tensor of its float type and device.
        """
        try:  # a list's pop and append are whole in any thread
            return self._free[(*shape, like.dtype, like.device)].pop()
        except IndexError:
            return torch.empty(shape, dtype=like.dtype, device=like.device)

    def give_back(self, *tensors: Tensor) -> None:
        """Give back tensors that nobody reads any more."""
        for tensor in tensors:
            self._free[(*tensor.shape, tensor.dtype, tensor.device)].append(tensor)
