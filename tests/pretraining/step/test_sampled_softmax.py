"""The sampled softmax: its distribution, its corrections, its gradients, and the full softmax."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from spacy_elmo.bilm.scoring.prior import log_uniform
from spacy_elmo.pretraining.batches.sampling import (
    draw_negatives,
    log_expected_counts,
    sample_rows,
)
from spacy_elmo.pretraining.step.sampled_softmax import sampled_loss


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.data())
def test_negatives_differ_and_are_words(n_words: int, data: st.DataObject) -> None:
    n_samples = data.draw(st.integers(1, n_words))
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    words, n_draws = draw_negatives(n_words, n_samples, random)
    assert len(set(words.tolist())) == n_samples
    assert words.min() >= 0
    assert words.max() < n_words
    assert n_draws == 0 if n_samples == n_words else n_draws >= n_samples


def test_first_draws_follow_the_log_uniform_distribution() -> None:
    random = np.random.default_rng(0)
    first = [draw_negatives(50, 1, random)[0][0] for _ in range(20_000)]
    shares = np.bincount(first, minlength=50) / len(first)
    # Five standard deviations of a share.
    tolerance = 5 * np.sqrt(log_uniform(50) / len(first))
    assert (np.abs(shares - log_uniform(50)) < tolerance).all()


def test_expected_counts_are_how_often_words_are_in_a_sample() -> None:
    """TensorFlow's correction, 1 - (1 - p)^tries, against counting."""
    random = np.random.default_rng(1)
    inside = np.zeros(30)
    expected = np.zeros(30)
    runs = 5_000
    for _ in range(runs):
        words, n_draws = draw_negatives(30, 8, random)
        inside[words] += 1 / runs
        expected += np.exp(log_expected_counts(np.arange(30), 30, n_draws)) / runs
    # The number of tries depends on the words drawn, so this is an approximation, TensorFlow's.
    np.testing.assert_allclose(inside, expected, rtol=0.12)


@pytest.mark.parametrize("n_samples", [0, 9])
def test_too_many_or_no_samples_are_an_error(n_samples: int) -> None:
    with pytest.raises(ValueError, match=f"cannot draw {n_samples} different words from 8"):
        draw_negatives(8, n_samples, np.random.default_rng(0))


def _case(n_words: int, n_positions: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(n_positions, width, dtype=torch.float64)
    weight = torch.randn(n_words, width, dtype=torch.float64)
    bias = torch.randn(n_words, dtype=torch.float64)
    targets = torch.randint(0, n_words, (n_positions,))
    return hidden, weight, bias, targets


def _plain_loss(
    hidden: Tensor, weight: Tensor, bias: Tensor, expected: Tensor, rows: Tensor, n: int
) -> Tensor:
    """The definition, row by row."""
    logits = hidden @ weight.t() + bias - expected
    total = torch.zeros((), dtype=hidden.dtype)
    for position, row in enumerate(rows.tolist()):
        others = [logits[position, k] for k in range(n) if k != row]
        all_logits = torch.stack([logits[position, row], *others])
        total = total - torch.log_softmax(all_logits, 0)[0]
    return total


def test_loss_and_gradients_are_the_definition() -> None:
    hidden, weight, bias, targets = _case(60, 25, 6)
    sample = sample_rows(targets.numpy(), 60, 20, np.random.default_rng(3))
    rows = torch.from_numpy(sample.targets)
    assert (rows < 20).any()  # some targets are among the negatives: accidental hits
    assert (rows >= 20).any()
    words = torch.from_numpy(sample.words)
    assert (words[rows] == targets).all()
    arguments = [
        hidden.requires_grad_(),
        weight[words].requires_grad_(),
        bias[words].requires_grad_(),
    ]
    expected = torch.from_numpy(sample.log_expected).double()
    found = sampled_loss(*arguments, expected, rows, 20)
    wanted = _plain_loss(*arguments, expected, rows, 20)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        torch.autograd.grad(3 * found, arguments), torch.autograd.grad(3 * wanted, arguments)
    )


def test_all_words_sampled_is_the_full_softmax() -> None:
    hidden, weight, bias, targets = _case(40, 30, 5)
    sample = sample_rows(targets.numpy(), 40, 40, np.random.default_rng(0))
    words = torch.from_numpy(sample.words)
    found = sampled_loss(
        hidden,
        weight[words],
        bias[words],
        torch.from_numpy(sample.log_expected).double(),
        torch.from_numpy(sample.targets),
        40,
    )
    full = F.cross_entropy(hidden @ weight.t() + bias, targets, reduction="sum")
    torch.testing.assert_close(found, full)


def test_sampled_loss_is_near_the_full_one_and_below_it() -> None:
    """AllenNLP's test: with many samples within 0.1 % of the full loss; with few, below it."""
    n_words, width = 2_000, 10
    torch.manual_seed(2)
    weight = 0.1 * torch.randn(n_words, width, dtype=torch.float64)
    # As frequent as the distribution thinks words are.
    bias = torch.from_numpy(np.log(log_uniform(n_words)))
    random = np.random.default_rng(0)
    targets = torch.from_numpy(random.choice(n_words, 500, p=log_uniform(n_words)))
    hidden = torch.randn(500, width, dtype=torch.float64)
    full = F.cross_entropy(hidden @ weight.t() + bias, targets, reduction="sum")

    def mean_loss(n_samples: int, runs: int) -> float:
        losses = []
        for run in range(runs):
            sample = sample_rows(targets.numpy(), n_words, n_samples, np.random.default_rng(run))
            words = torch.from_numpy(sample.words)
            loss = sampled_loss(
                hidden,
                weight[words],
                bias[words],
                torch.from_numpy(sample.log_expected).double(),
                torch.from_numpy(sample.targets),
                n_samples,
            )
            losses.append(loss.item())
        return sum(losses) / runs

    assert mean_loss(1_990, 5) == pytest.approx(full.item(), rel=1e-3)
    assert mean_loss(100, 20) < full.item()


def test_bfloat16_products_stay_near() -> None:
    hidden, weight, bias, targets = (
        t.float() if t.is_floating_point() else t for t in _case(60, 40, 16)
    )
    sample = sample_rows(targets.numpy(), 60, 20, np.random.default_rng(3))
    words, rows = torch.from_numpy(sample.words), torch.from_numpy(sample.targets)
    expected = torch.from_numpy(sample.log_expected)
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        arguments = [
            hidden.to(dtype).requires_grad_(),
            weight[words].requires_grad_(),
            bias[words].requires_grad_(),
        ]
        loss = sampled_loss(*arguments, expected, rows, 20)
        assert loss.dtype == torch.float32
        results.append([loss.detach(), *(g.float() for g in torch.autograd.grad(loss, arguments))])
    for full, half in zip(*results, strict=True):
        assert (half - full).norm() < 0.02 * full.norm()
