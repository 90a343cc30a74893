"""The softmax's pass in every instruction set, and by PyTorch, against float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.sampled_softmax import Compiled, by_pytorch, softmax_pass
from tests.bilm.kernels.memory import assert_nothing_beside_is_written, inside
from tests.bilm.kernels.reference import Array

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("one_thread")


def _right(
    logits: Array, corrections: Array, targets: Array, struck: Array
) -> tuple[Array, Array, Array]:
    """Losses, gradients by the targets' logits, and probabilities, in float64."""
    n = logits.shape[1]
    values = np.hstack([logits.astype(np.float64) + corrections, targets[:, None]])
    hit = np.flatnonzero(struck < n)
    values[hit, struck[hit]] = -np.inf
    with np.errstate(all="ignore"):
        highest = values.max(axis=1, keepdims=True)
        powers = np.exp(values - highest)
        total = powers.sum(axis=1, keepdims=True)
        shares = powers / total
        losses = np.log(total)[:, 0] + highest[:, 0] - targets
    return losses, shares[:, n] - 1, shares[:, :n]


def _run(
    logits: Tensor,
    corrections: Tensor,
    targets: Tensor,
    struck: Tensor,
    offset: int = 0,
    gap: int = 0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Losses, gradients by the targets' logits, probabilities, and their sums beside ones."""
    values = inside(logits, offset, gap)
    sums = inside(torch.ones(1, logits.shape[1]), offset, 0)[0]
    columns = inside(corrections[None], offset + 1, 0)[0]
    losses, d_targets = softmax_pass(logits.dtype, torch.float32, CPU)(
        values, columns, targets, struck, sums
    )
    answers = losses, d_targets, values.clone(), sums.clone()
    assert_nothing_beside_is_written(values, sums, columns)
    return answers


def _random(seed: int, n_rows: int, n: int, size: float) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=size, size=(n_rows, n)).astype(np.float32)
    corrections = rng.normal(size=n).astype(np.float32)
    targets = rng.normal(scale=size, size=n_rows).astype(np.float32)
    return logits, corrections, targets, rng.integers(0, 2 * n + 1, size=n_rows)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    n_rows=st.integers(0, 70),
    n=st.integers(0, 70),
    offset=st.integers(0, 17),
    gap=st.integers(0, 40),
    size=st.sampled_from([1e-3, 1.0, 10.0, 100.0]),
    seed=st.integers(0, 2**16),
)
def test_any_size_and_stride(
    choice: str, n_rows: int, n: int, offset: int, gap: int, size: float, seed: int
) -> None:
    given = _random(seed, n_rows, n, size)
    found = [t.numpy() for t in _run(*map(torch.from_numpy, given), offset, gap)]
    losses, d_targets, shares = _right(*given)
    # A logit is rounded when it is corrected; a large one more.
    atol = 1e-6 * max(1.0, size / 2)
    np.testing.assert_allclose(found[0], losses, rtol=1e-6, atol=2 * atol)
    np.testing.assert_allclose(found[1], d_targets, rtol=0, atol=atol)
    np.testing.assert_allclose(found[2], shares, rtol=0, atol=atol)
    np.testing.assert_allclose(found[3], 1 + shares.sum(axis=0), rtol=0, atol=5 * atol)
    hit = np.flatnonzero(given[3] < n)
    assert (found[2][hit, given[3][hit]] == 0).all()


def test_sums_of_many_columns_keep_their_digits(choice: str) -> None:
    given = _random(0, 3, 50_003, 1.0)
    losses, _, shares = _right(*given)
    found = [t.numpy() for t in _run(*map(torch.from_numpy, given))]
    np.testing.assert_allclose(found[0], losses, rtol=5e-7)
    np.testing.assert_allclose(found[2], shares, rtol=3e-5, atol=1e-12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(n_rows=st.integers(0, 20), n=st.integers(0, 70), seed=st.integers(0, 2**16))
def test_bfloat16_is_float32_rounded_at_the_ends(
    choice: str, n_rows: int, n: int, seed: int
) -> None:
    logits, *others = map(torch.from_numpy, _random(seed, n_rows, n, 2.0))
    half = _run(logits.bfloat16(), *others)
    full = _run(logits.bfloat16().float(), *others)
    assert half[2].dtype == torch.bfloat16
    assert torch.equal(half[2], full[2].bfloat16())
    for place in (0, 1, 3):
        torch.testing.assert_close(half[place], full[place], rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 31, 32, 67])
def test_no_numbers(choice: str, value: float, n: int) -> None:
    """A row with one is what float64 makes of it; the others know nothing of it."""
    for column in range(n + 1):
        logits, corrections, targets, struck = _random(column, 3, n, 1.0)
        struck[1] = n + 1
        if column < n:
            logits[1, column] = value
        else:
            targets[1] = value
        found = _run(*map(torch.from_numpy, (logits, corrections, targets, struck)))
        right = _right(logits, corrections, targets, struck)
        for answer, expected in zip(found[:3], right, strict=True):
            np.testing.assert_allclose(answer.numpy(), expected, rtol=1e-6, atol=2e-6)


def test_many_rows_are_each_by_itself(choice: str) -> None:
    if choice == loader.OFF:
        pytest.skip("PyTorch's operations give no such promise")
    logits, corrections, targets, struck = map(torch.from_numpy, _random(1, 20, 67, 1.0))
    together = _run(logits, corrections, targets, struck)
    for row in range(20):
        one = slice(row, row + 1)
        alone = _run(logits[one], corrections, targets[one], struck[one], offset=row % 17)
        for a, b in zip(alone[:3], together[:3], strict=True):
            assert torch.equal(a[0], b[row])


@pytest.mark.parametrize("name", loader.offered())
def test_the_kernel_only_does_what_it_can(name: str) -> None:
    with loader.use(name):
        for logits in (torch.float32, torch.bfloat16):
            chosen = softmax_pass(logits, torch.float32, CPU)
            assert isinstance(chosen, Compiled)
            assert chosen.instruction_set == name
        assert softmax_pass(torch.float16, torch.float32, CPU) is by_pytorch
        assert softmax_pass(torch.float64, torch.float64, CPU) is by_pytorch
        assert softmax_pass(torch.float32, torch.float32, torch.device("cuda")) is by_pytorch
        chosen = softmax_pass(torch.float32, torch.float32, CPU)
    others = torch.ones(3), torch.ones(2), torch.zeros(2, dtype=torch.int64), torch.ones(3)
    chosen(torch.ones(2, 3), *others)
    bad = torch.ones(3, 2).t(), torch.ones(2, 2), torch.ones(2, 3, dtype=torch.float64)
    for logits in bad:
        with pytest.raises(AssertionError):
            chosen(logits, *others)
