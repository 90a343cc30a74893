"""The loss against a sample of the vocabulary (Jean et al. 2015), as TensorFlow computes it.

Every logit is corrected by the logarithm of the count with which its word was to be expected in the
sample (see `batches.sampling`), and a negative that happens to be the target is left out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spacy_elmo.bilm.kernels.sampled_softmax import softmax_pass

# Positions whose logits are there at once on a CPU: 6 MB of them for 3,072 negatives.
AT_ONCE = 512


def sampled_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    log_expected: Tensor,
    targets: Tensor,
    n_negatives: int,
) -> Tensor:
    """Sum over positions of the loss against the sampled words.

    Args:
        hidden: Outputs of the last layer. *Shape:* (positions, P).
        weight: The softmax's rows in question, negatives first. *Shape:* (rows, P).
        bias: Their biases. *Shape:* (rows,).
        log_expected: Correction of their logits. *Shape:* (rows,).
        targets: Row of each position's target. *Shape:* (positions,).
        n_negatives: How many of the rows are negatives.
    """
    loss: Tensor = _SampledLoss.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, log_expected, targets, n_negatives
    )
    return loss


class _SampledLoss(torch.autograd.Function):
    """Loss and gradients in one go: the logits are never all there, and are read once."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        log_expected: Tensor,
        targets: Tensor,
        n_negatives: int,
    ) -> Tensor:
        corrected = bias - log_expected
        target_weight = weight.index_select(0, targets)
        target = (hidden * target_weight).sum(1) + corrected.index_select(0, targets)  # float32
        negative = weight[:n_negatives].to(hidden.dtype)
        columns = corrected[:n_negatives].contiguous()
        d_hidden = torch.empty_like(hidden)
        d_weight, d_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        d_target, losses = torch.empty_like(target), torch.empty_like(target)
        softmax = softmax_pass(hidden.dtype, bias.dtype, hidden.device)
        at_once = AT_ONCE if hidden.device.type == "cpu" else max(1, len(hidden))
        memory = hidden.new_empty(min(at_once, len(hidden)), n_negatives)
        for start in range(0, len(hidden), at_once):
            part = slice(start, start + at_once)
            some = hidden[part]
            logits = torch.mm(some, negative.t(), out=memory[: len(some)])
            losses[part], d_target[part] = softmax(
                logits, columns, target[part], targets[part], d_bias[:n_negatives]
            )
            torch.mm(logits, negative, out=d_hidden[part])
            if logits.dtype == weight.dtype:
                d_weight[:n_negatives].addmm_(logits.t(), some)
            else:
                d_weight[:n_negatives] += torch.mm(logits.t(), some)
        d_hidden += (d_target.unsqueeze(1) * target_weight).to(hidden.dtype)
        d_weight.index_add_(0, targets, d_target.unsqueeze(1) * hidden)
        d_bias.index_add_(0, targets, d_target)
        ctx.save_for_backward(d_hidden, d_weight, d_bias)
        return losses.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient * d_loss for gradient in ctx.saved_tensors), None, None, None
