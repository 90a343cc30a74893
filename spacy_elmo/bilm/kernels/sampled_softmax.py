"""The pass of the sampled softmax over its logits: from logits to losses and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.addresses import rows, whole

SoftmaxPass = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def softmax_pass(logits: torch.dtype, sums: torch.dtype, device: torch.device) -> SoftmaxPass:
    """The fastest way there is for tensors of a kind.

    Args:
        logits: Float type of the logits of the negatives.
        sums: Float type of everything else, in which everything is computed.
        device: Where they are.

    Returns:
        A function of the negatives' logits, which become their probabilities, that is the gradients
        of the losses, *Shape:* (n_rows, n); of what is added to each of their columns, *Shape:*
        (n,); of the targets' logits, *Shape:* (n_rows,); of the column that is struck out of each
        row because it is the target too, n or more for none, int64, *Shape:* (n_rows,); and of the
        sums of the probabilities over rows, to which its own are added, *Shape:* (n,). It returns
        the losses and their gradients by the targets' logits, each of *Shape:* (n_rows,).
    """
    instruction_set = loader.instruction_set_for(logits, sums, device)
    return by_pytorch if instruction_set is None else Compiled(instruction_set, logits)


@dataclass(frozen=True)
class Compiled:
    """The kernel in one instruction set and for one float type of the logits."""

    instruction_set: str
    dtype: torch.dtype

    def __call__(
        self, logits: Tensor, corrections: Tensor, targets: Tensor, struck: Tensor, sums: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Losses, and their gradients by the targets' logits."""
        assert loader.extension is not None
        n_rows, n = logits.shape
        assert corrections.shape == sums.shape == (n,)
        assert targets.shape == struck.shape == (n_rows,)
        losses, d_targets = torch.empty_like(targets), torch.empty_like(targets)
        work = torch.empty_like(sums)
        loader.extension.sampled_softmax(
            self.instruction_set,
            self.dtype == torch.bfloat16,
            *rows(logits, self.dtype),
            whole(corrections, torch.float32),
            whole(targets, torch.float32),
            whole(struck, torch.int64),
            whole(losses, torch.float32),
            whole(d_targets, torch.float32),
            whole(sums, torch.float32),
            whole(work, torch.float32),
            n_rows,
            n,
        )
        return losses, d_targets


def by_pytorch(
    logits: Tensor, corrections: Tensor, targets: Tensor, struck: Tensor, sums: Tensor
) -> tuple[Tensor, Tensor]:
    """The same as a sequence of PyTorch's operations."""
    n = logits.shape[1]
    # One column more: it takes the strikes that fall on no negative, then the target itself.
    values = sums.new_empty(len(logits), n + 1)
    torch.add(logits, corrections, out=values[:, :n])
    values.scatter_(1, struck.clamp(max=n).unsqueeze(1), float("-inf"))
    values[:, n] = targets
    highest = values.amax(dim=1, keepdim=True)
    total = values.sub_(highest).exp_().sum(dim=1, keepdim=True)
    values.div_(total)
    sums += values[:, :n].sum(0)
    logits.copy_(values[:, :n])
    return total.log_().add_(highest).squeeze(1) - targets, values[:, n] - 1.0
