"""The loss against a sample of the vocabulary (Jean et al. 2015), as TensorFlow computes it.

Every logit is corrected by the logarithm of the count with which its word was to be expected in the
sample (see `batches.sampling`), and a negative that happens to be the target is left out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


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
        target_weight = weight[targets]
        target = (hidden * target_weight).sum(1) + corrected[targets]  # float32
        # The last column holds the target. Where the target is a negative too, that column's logit
        # is struck out; elsewhere the strike falls on the last column, before the target fills it.
        logits = weight.new_empty(len(hidden), n_negatives + 1)
        negative, columns = weight[:n_negatives].to(hidden.dtype), logits[:, :n_negatives]
        if hidden.dtype == logits.dtype:
            torch.addmm(corrected[:n_negatives], hidden, negative.t(), out=columns)
        else:
            torch.add(torch.mm(hidden, negative.t()), corrected[:n_negatives], out=columns)
        struck = targets.clamp(max=n_negatives).unsqueeze(1)
        logits.scatter_(1, struck, float("-inf"))
        logits[:, n_negatives] = target
        highest = logits.amax(dim=1, keepdim=True)
        probability = logits.sub_(highest).exp_()
        total = probability.sum(dim=1, keepdim=True)
        probability.div_(total)
        ctx.n_negatives = n_negatives
        ctx.save_for_backward(hidden, weight, target_weight, targets, probability)
        return (total.log_().add_(highest).squeeze(1) - target).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, target_weight, targets, probability = ctx.saved_tensors
        n = ctx.n_negatives
        negative = probability[:, :n].to(hidden.dtype)
        d_target = (probability[:, n:] - 1.0) * d_loss
        d_hidden = torch.mm(negative, weight[:n].to(hidden.dtype)).mul_(d_loss)
        d_hidden += (d_target * target_weight).to(hidden.dtype)
        d_weight = torch.zeros_like(weight)
        torch.mul(torch.mm(negative.t(), hidden), d_loss, out=d_weight[:n])
        d_weight.index_add_(0, targets, d_target * hidden)
        d_bias = weight.new_zeros(len(weight))
        d_bias[:n] = probability[:, :n].sum(0) * d_loss
        d_bias.index_add_(0, targets, d_target.squeeze(1))
        return d_hidden, d_weight, d_bias, None, None, None
