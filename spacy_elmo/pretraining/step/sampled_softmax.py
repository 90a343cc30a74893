"""The softmax over a sample of the vocabulary (Jean et al. 2015), as TensorFlow computes it.

The vocabulary is sorted by frequency. Negatives are drawn without repetition from the log-uniform
distribution P(k) = log((k + 2) / (k + 1)) / log(V + 1); every logit is corrected by the logarithm
of the count with which its word was to be expected in the sample, and a negative that happens to be
the target is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable


def log_uniform(n_words: int) -> NDArray[np.float64]:
    """Probability of each word of a vocabulary sorted by frequency. *Shape:* (n_words,).

    >>> log_uniform(3).round(3).tolist()
    [0.5, 0.292, 0.208]
    """
    return _probability(np.arange(n_words), n_words)


def draw_negatives(
    n_words: int, n_samples: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], int]:
    """Draw distinct words from the log-uniform distribution.

    Returns the words in the order of their first draw and the number of draws it took, from which
    their expected counts follow. Raises ValueError when fewer words exist than are asked for.
    """
    if not 0 < n_samples <= n_words:
        raise ValueError(f"cannot draw {n_samples} different words from {n_words}")
    if n_samples == n_words:
        # Waiting for the last rare words would take very long; every one is certain to be there.
        return np.arange(n_words), 0
    drawn = np.empty(0, dtype=np.int64)
    log_range = np.log(n_words + 1)
    while True:
        fresh = np.exp(random.random(2 * n_samples) * log_range).astype(np.int64) - 1
        drawn = np.concatenate([drawn, np.minimum(fresh, n_words - 1)])
        words, first = np.unique(drawn, return_index=True)
        if len(words) >= n_samples:
            order = np.sort(first)[:n_samples]
            return drawn[order], int(order[-1]) + 1


def log_expected_counts(
    words: NDArray[np.int64], n_words: int, n_draws: int
) -> NDArray[np.float32]:
    """Logarithm of the expected count of words among distinct ones drawn `n_draws` times.

    `1 - (1 - p)^n`, computed without loss for small p. With `n_draws` of 0 (every word is in the
    sample) there is nothing to correct: zeros.
    """
    if n_draws == 0:
        return np.zeros(len(words), dtype=np.float32)
    expected = -np.expm1(n_draws * np.log1p(-_probability(words, n_words)))
    logs: NDArray[np.float64] = np.log(expected)
    return logs.astype(np.float32)


def _probability(words: NDArray[np.int64], n_words: int) -> NDArray[np.float64]:
    ids = words.astype(np.float64)
    probability: NDArray[np.float64] = np.log((ids + 2) / (ids + 1)) / np.log(n_words + 1)
    return probability


@dataclass(frozen=True)
class SampledRows:
    """The rows of the softmax one training step touches.

    words: The negatives, then the other words. *Shape:* (n_rows,).
    n_negatives: How many of `words` are negatives.
    log_expected: Correction of each row's logit. *Shape:* (n_rows,).
    targets: Row of each target, an index into `words`; -1 where there is none.
        *Shape:* that of the targets given.
    row_of_word: Row of each word of the vocabulary, or -1. *Shape:* (V,).
    """

    words: NDArray[np.int64]
    n_negatives: int
    log_expected: NDArray[np.float32]
    targets: NDArray[np.int64]
    row_of_word: NDArray[np.int64]


def sample_rows(
    targets: NDArray[np.int64],
    n_words: int,
    n_samples: int,
    random: np.random.Generator,
    *,
    also: NDArray[np.int64] | None = None,
) -> SampledRows:
    """Draw the negatives of a step, one draw for all positions and both directions.

    targets: Target words, of any shape; -1: no target.
    n_words: Words of the vocabulary. n_samples: Negatives to draw; all words: the full softmax.
    also: Further words that must have a row.
    """
    negatives, n_draws = draw_negatives(n_words, n_samples, random)
    # The last place is for the target -1.
    row_of_word = np.full(n_words + 1, -1, dtype=np.int64)
    row_of_word[negatives] = np.arange(n_samples)
    needed = targets if also is None else np.concatenate([targets, also], axis=None)
    distinct = np.unique(needed[needed >= 0])
    others = distinct[row_of_word[distinct] < 0]
    row_of_word[others] = np.arange(n_samples, n_samples + len(others))
    words = np.concatenate([negatives, others])
    expected = log_expected_counts(words, n_words, n_draws)
    return SampledRows(words, n_samples, expected, row_of_word[targets], row_of_word[:-1])


def sampled_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    log_expected: Tensor,
    targets: Tensor,
    n_negatives: int,
) -> Tensor:
    """Sum over positions of the loss against the sampled words.

    hidden: Outputs of the last layer. *Shape:* (positions, P).
    weight, bias: The softmax's rows in question, negatives first. *Shape:* (rows, P), (rows,).
    log_expected: *Shape:* (rows,).
    targets: Row of each position's target. *Shape:* (positions,).
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
