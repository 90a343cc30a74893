"""Half precision for the products: weights, optimizer, losses and sums stay float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

# Steps without an overflow after which the loss scale doubles, as in torch.amp.GradScaler.
GROWTH_STEPS = 2000
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """PyTorch's automatic choice of types, for the token layer.

    Without its cache of cast weights: all threads share it, and the first to leave clears it. Then
    it hangs on the threads' speed which gradients are summed in half precision, through one cast,
    and which in float32, and two equal trainings differ.
    """
    enabled = precision != "float32"
    with torch.autocast(device.type, dtype=TYPES[precision], enabled=enabled, cache_enabled=False):
        yield


class LossScale:
    """Scales the loss so that float16 gradients do not vanish, without asking the device.

    The scale doubles after 2000 steps without an overflow and halves at each, whose gradients
    become zeros. `torch.amp.GradScaler` does the same, but waits for the device at every step to
    learn of an overflow, and knows only gradients that stand in `.grad`.
    """

    def __init__(self, device: torch.device) -> None:
        self.value = torch.full((), 2.0**16, device=device)
        self.good_steps = torch.zeros((), device=device)

    def unscale(self, gradients: list[Tensor]) -> None:
        """Undo the scale in place, or set gradients to zero that overflowed; adapt the scale."""
        norm = torch.nn.utils.get_total_norm(gradients)
        finite = torch.isfinite(norm)
        factor = torch.where(finite, 1.0 / self.value, torch.zeros_like(self.value))
        for gradient in gradients:
            gradient.nan_to_num_(0.0, 0.0, 0.0).mul_(factor)
        self.good_steps = torch.where(
            finite, self.good_steps + 1, torch.zeros_like(self.good_steps)
        )
        grow = self.good_steps >= GROWTH_STEPS
        self.value = torch.where(
            finite, torch.where(grow, self.value * 2, self.value), self.value / 2
        )
        self.good_steps = torch.where(grow, torch.zeros_like(self.good_steps), self.good_steps)
