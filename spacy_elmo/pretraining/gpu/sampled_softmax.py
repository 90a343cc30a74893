"""The sampled softmax without the host: negatives drawn on the device, gradients as it goes.

The same loss as `step.sampled_softmax`. There, words are drawn one after the other until enough
distinct ones are there; here the words with the highest sums of log probability and Gumbel noise
are taken, which is the same distribution (Yellott 1977; Kool et al. 2019, "Stochastic beams and
where to find them", section 2.3). The number of draws it would have taken, on which the
correction depends, is replaced by the number at which as many distinct words are to be expected.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.bilm.scoring.prior import log_uniform
from spacy_elmo.pretraining.batches.sampling import log_expected_counts
from spacy_elmo.pretraining.gpu.cell import softmax_rows

# Positions whose logits are computed at once: 268 MB with 8,192 negatives in bfloat16.
POSITIONS = 1 << 14
# Rows into which the gradients of targets go that are negatives too: zeros, spread out so that
# they do not wait for each other.
SPARE = 1 << 10


def expected_draws(n_words: int, n_samples: int) -> int:
    """Draws after which so many distinct words are to be expected.

    >>> expected_draws(50_000, 8_192)
    25253
    """
    probability = log_uniform(n_words)
    low, high = n_samples, 1 << 60
    while low < high:
        draws = (low + high) // 2
        if -np.expm1(draws * np.log1p(-probability)).sum() < n_samples:
            low = draws + 1
        else:
            high = draws
    return low


class Negatives:
    """Draws the negatives of a step.

    Args:
        n_words: Words of the vocabulary.
        n_samples: Negatives to draw; 0 or all words: the full softmax.
        device: Where to draw.
    """

    def __init__(self, n_words: int, n_samples: int, device: torch.device) -> None:
        self.n_words = n_words
        self.n_samples = min(n_samples or n_words, n_words)
        words = np.arange(n_words)
        draws = 0 if self.n_samples == n_words else expected_draws(n_words, self.n_samples)
        expected = log_expected_counts(words, n_words, draws)
        self.log_expected = torch.from_numpy(expected).to(device)
        self._log_probability = torch.from_numpy(np.log(log_uniform(n_words))).to(device).float()
        self._columns = torch.arange(self.n_samples, device=device)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Draw.

        Returns:
            The words, *Shape:* (n_samples,), and each word's column among them, `n_samples` where
            it was not drawn. *Shape:* (n_words,).
        """
        if self.n_samples == self.n_words:
            return self._columns, self._columns
        noise = torch.rand_like(self._log_probability).clamp_(min=1e-20)
        keys = self._log_probability - torch.log(-torch.log(noise))
        words = torch.topk(keys, self.n_samples, sorted=False).indices
        column = torch.full_like(words, self.n_samples).new_full((self.n_words,), self.n_samples)
        return words, column.scatter_(0, words, self._columns)


def sampled_gradients(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    negatives: Negatives,
    drawn: tuple[Tensor, Tensor],
    targets: Tensor,
    factor: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Loss of some positions, and the gradients of `factor` times their sum.

    Args:
        hidden: Outputs of the last layer. *Shape:* (positions, P).
        weight: Of the softmax, in the type of `hidden`. *Shape:* (n_words, P).
        bias: Of the softmax, float32. *Shape:* (n_words,).
        negatives: Who drew.
        drawn: What `negatives.draw` gave.
        targets: Word of each position. *Shape:* (positions,), int64.
        factor: What the gradients are multiplied by.

    Returns:
        The loss summed over the positions, the gradient of `hidden`, and those of weight and bias,
        float32.
    """
    words, column = drawn
    n_words, width = weight.shape
    corrected = bias - negatives.log_expected
    negative_weight = weight[words]
    negative_bias = corrected[words].to(hidden.dtype)
    d_hidden = torch.empty_like(hidden)
    d_negative = torch.zeros(len(words), width, device=hidden.device)
    d_negative_bias = torch.zeros(len(words), device=hidden.device)
    d_weight = torch.zeros(n_words + SPARE, width, device=hidden.device)
    d_bias = torch.zeros(n_words + SPARE, device=hidden.device)
    spare = n_words + torch.arange(POSITIONS, device=hidden.device) % SPARE
    loss = torch.zeros((), device=hidden.device)
    for start in range(0, len(hidden), POSITIONS):
        part = slice(start, start + POSITIONS)
        here, wanted = hidden[part], targets[part]
        target_weight = weight[wanted]
        target = (here.float() * target_weight.float()).sum(1) + corrected[wanted]
        struck = column[wanted]
        logits = torch.addmm(negative_bias, here, negative_weight.t())
        loss += softmax_rows(logits, target, struck).sum()
        # A target among the negatives has its gradient in its column; the others get theirs alone.
        drawn_too = struck < len(words)
        target = torch.where(drawn_too, 0.0, target).unsqueeze(1)
        d_hidden[part] = (logits @ negative_weight + target * target_weight) * factor
        d_negative += logits.t() @ here
        d_negative_bias += (logits.new_ones(1, len(logits)) @ logits).squeeze(0)
        row = torch.where(drawn_too, spare[: len(wanted)], wanted)
        d_weight.index_add_(0, row, target * here)
        d_bias.index_add_(0, row, target.squeeze(1))
    d_weight.index_add_(0, words, d_negative)
    d_bias.index_add_(0, words, d_negative_bias)
    return loss, d_hidden, d_weight[:n_words] * factor, d_bias[:n_words] * factor
