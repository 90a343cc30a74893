"""The elementwise part of an LSTM step, forward and backward: one pass over memory each.

On a GPU by Triton, which PyTorch brings along there; elsewhere by PyTorch operations, which do the
same and are what the tests compare with.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor

HAS_TRITON = find_spec("triton") is not None


def cell_forward(gates: Tensor, before: Tensor, after: Tensor, hidden: Tensor) -> None:
    """From the gates to the cell and the output of a step.

    Args:
        gates: Before their activation, in the order input, forget, output, cell input; overwritten
            by the activated ones. *Shape:* (rows, 4C), contiguous.
        before: Cell before the step, float32. *Shape:* (rows, C), contiguous.
        after: Is given the cell after it. *Shape:* as before.
        hidden: Is given the output. *Shape:* as before, the type of the gates.
    """
    if use_triton(gates):
        from spacy_elmo.pretraining.gpu import triton_kernels

        triton_kernels.cell_forward(gates, before, after, hidden)
        return
    i, f, o, g = gates.float().chunk(4, dim=1)
    i, f, o, g = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)
    gates.copy_(torch.cat([i, f, o, g], dim=1))
    after.copy_(f * before + i * g)
    hidden.copy_(o * torch.tanh(after))


def cell_backward(
    gates: Tensor, before: Tensor, after: Tensor, d_hidden: Tensor, d_cell: Tensor
) -> None:
    """From the gradient of a step's output to those of the gates and of the cell before.

    Args:
        gates: What `cell_forward` left; overwritten by the gradients before the activation.
        before: As in `cell_forward`.
        after: Likewise.
        d_hidden: Gradient of the output. *Shape:* (rows, C).
        d_cell: Gradient of the cell after the step, float32; overwritten by that of the cell
            before it. *Shape:* (rows, C).
    """
    if use_triton(gates):
        from spacy_elmo.pretraining.gpu import triton_kernels

        triton_kernels.cell_backward(gates, before, after, d_hidden, d_cell)
        return
    i, f, o, g = gates.float().chunk(4, dim=1)
    d_output = d_hidden.float()
    squashed = torch.tanh(after)
    total = d_cell + d_output * o * (1 - squashed * squashed)
    parts = [
        total * g * i * (1 - i),
        total * before * f * (1 - f),
        d_output * squashed * o * (1 - o),
        total * i * (1 - g * g),
    ]
    d_cell.copy_(total * f)
    gates.copy_(torch.cat(parts, dim=1))


def softmax_rows(logits: Tensor, target: Tensor, struck: Tensor) -> Tensor:
    """Turn logits into the gradient of the loss, in place.

    The softmax runs over a row of `logits` and one logit more, the target's. Where the target is
    also one of the columns, that column is left out of the sum, and gets the target's gradient.

    Args:
        logits: Overwritten by probabilities, and by `p(target) - 1` in the target's own column.
            *Shape:* (rows, n).
        target: Logit of each row's target, float32; overwritten by `p(target) - 1`. *Shape:*
            (rows,).
        struck: The target's own column, or n where there is none. *Shape:* (rows,), int64.

    Returns:
        Loss of each row in nats. *Shape:* (rows,), float32.
    """
    if use_triton(logits):
        from spacy_elmo.pretraining.gpu import triton_kernels

        return triton_kernels.softmax_rows(logits, target, struck)
    n = logits.shape[1]
    values = torch.cat([logits.float(), target.unsqueeze(1)], dim=1)
    own = struck.unsqueeze(1) == torch.arange(n + 1, device=logits.device)
    own[:, n] = False
    values.masked_fill_(own, float("-inf"))
    total = torch.logsumexp(values, dim=1)
    probability = torch.exp(values - total.unsqueeze(1))
    loss = total - target
    target.copy_(probability[:, n] - 1)
    probability = torch.where(own, target.unsqueeze(1), probability)
    logits.copy_(probability[:, :n])
    return loss


def use_triton(tensor: Tensor) -> bool:
    """Whether Triton's kernels compute on this tensor."""
    return tensor.is_cuda and HAS_TRITON
