"""The character CNN in every instruction set, and by PyTorch, against float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_elmo.bilm.kernels import char_cnn, loader
from spacy_elmo.bilm.kernels.char_cnn import BLOCK, largest_features
from tests.bilm.kernels.reference import Array

pytestmark = pytest.mark.usefixtures("one_thread")


def _case(
    seed: int, n_words: int, n_positions: int, filters: tuple[tuple[int, int], ...], depth: int
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Vectors, filters, and words of all lengths with padding behind them."""
    rng = np.random.default_rng(seed)
    table = torch.from_numpy(rng.normal(size=(11, depth)).astype(np.float32))
    weights = [
        torch.from_numpy(rng.normal(size=(number, depth, width)).astype(np.float32))
        for width, number in filters
    ]
    ids = rng.integers(0, 11, size=(n_words, n_positions))
    lengths = rng.integers(0, n_positions + 1, size=(n_words, 1))
    ids[np.arange(n_positions) >= lengths] = 10
    return table, weights, torch.from_numpy(ids)


def _right(
    table: Array, weights: list[Array], ids: Array, probe: Array
) -> tuple[Array, Array, list[Array]]:
    """Features, and gradients of table and filters, window by window in float64."""
    table = table.astype(np.float64)
    d_table, features, d_weights = np.zeros_like(table), [], []
    start = 0
    for weight in (w.astype(np.float64) for w in weights):
        n, _, width = weight.shape
        values = np.stack(
            [
                np.einsum("wkd,ndk->wn", table[ids[:, at : at + width]], weight)
                for at in range(ids.shape[1] - width + 1)
            ]
        )
        places, d_weight = values.argmax(axis=0), np.zeros_like(weight)
        for word in range(len(ids)):
            for filter_ in range(n):
                read = ids[word, places[word, filter_] : places[word, filter_] + width]
                gradient = probe[word, start + filter_]
                d_weight[filter_] += gradient * table[read].T
                np.add.at(d_table, read, gradient * weight[filter_].T)
        features.append(values.max(axis=0))
        d_weights.append(d_weight)
        start += n
    return np.hstack(features), d_table, d_weights


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    n_words=st.integers(0, 20),
    n_positions=st.integers(4, 20),
    filters=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 70)), min_size=1, max_size=3),
    depth=st.integers(1, 9),
    seed=st.integers(0, 2**16),
)
def test_values_and_gradients(
    choice: str,
    n_words: int,
    n_positions: int,
    filters: list[tuple[int, int]],
    depth: int,
    seed: int,
) -> None:
    table, weights, ids = _case(seed, n_words, n_positions, tuple(filters), depth)
    probe = torch.from_numpy(
        np.random.default_rng(seed).normal(size=(n_words, sum(n for _, n in filters)))
    ).float()
    probe[probe.abs() < 0.3] = 0.0
    wanted = [table.requires_grad_(), *(weight.requires_grad_() for weight in weights)]
    found = largest_features(table, weights, ids)
    gradients = torch.autograd.grad(found, wanted, probe)
    features, d_table, d_weights = _right(
        table.detach().numpy(), [w.detach().numpy() for w in weights], ids.numpy(), probe.numpy()
    )
    np.testing.assert_allclose(found.detach().numpy(), features, rtol=0, atol=2e-5)
    for answer, right in zip(gradients, (d_table, *d_weights), strict=True):
        np.testing.assert_allclose(answer.numpy(), right, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("n_filters", [1, BLOCK - 1, BLOCK, BLOCK + 1, 70])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_numbers(choice: str, value: float, n_filters: int) -> None:
    """A character that is no number makes NaN of every word with it, and of no other."""
    table, weights, ids = _case(3, 12, 9, ((1, n_filters), (3, n_filters)), 1)
    weights = [weight.abs() for weight in weights]
    table[4] = value
    found = largest_features(table, weights, ids)
    has = (ids == 4).any(dim=1)
    only = (ids == 4).all(dim=1)
    assert has.any()
    assert not has.all()
    if np.isnan(value):
        assert found[has].isnan().all()
    elif value > 0:
        assert (found[has] == np.inf).all()
    else:
        assert not found[has & ~only, :n_filters].isinf().any()
    assert found[~has].isfinite().all()


def test_all_minus_infinity_has_a_place(choice: str) -> None:
    table = torch.full((3, 1), -np.inf).requires_grad_()
    weights = [torch.ones(5, 1, 2)]
    found = largest_features(table, weights, torch.tensor([[0, 1, 2, 2]]))
    assert (found == -np.inf).all()
    assert torch.autograd.grad(found.sum(), table)[0].shape == (3, 1)


def test_words_may_lie_in_memory_as_they_like(choice: str) -> None:
    table, weights, ids = _case(1, 14, 12, ((2, 5), (4, 33)), 6)
    expected = largest_features(table, weights, ids[::2, :9].clone())
    assert torch.equal(largest_features(table, weights, ids[::2, :9]), expected)
    other = ids[::2, :9].t().contiguous().t()
    assert torch.equal(largest_features(table, weights, other), expected)


@pytest.mark.parametrize("bad", [-1, 11])
def test_an_id_without_a_vector_is_an_error(choice: str, bad: int) -> None:
    table, weights, ids = _case(1, 3, 6, ((2, 5),), 4)
    ids[1, 2] = bad
    with pytest.raises(IndexError):
        largest_features(table, weights, ids)


@pytest.mark.parametrize("name", [*loader.offered(), loader.OFF])
def test_the_set_in_use_computes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    called = []
    real = char_cnn.by_pytorch
    monkeypatch.setattr(
        char_cnn, "by_pytorch", lambda *given: called.append("PyTorch") or real(*given)
    )
    apply = char_cnn._Largest.apply
    monkeypatch.setattr(
        char_cnn._Largest, "apply", lambda *given: called.append(given[-1]) or apply(*given)
    )
    table, weights, ids = _case(1, 3, 6, ((2, 5), (3, 4)), 4)
    with loader.use(name):
        largest_features(table, weights, ids)
        assert called == (["PyTorch"] if name == loader.OFF else [name, name])
        called.clear()
        largest_features(table.double(), [w.double() for w in weights], ids)
        assert called == ["PyTorch"]
