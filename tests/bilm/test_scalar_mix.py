"""The scalar mix, against its formula written out in numpy."""

import numpy as np
import pytest
import torch

from spacy_elmo.bilm import ScalarMix


def test_formula() -> None:
    layers = np.random.default_rng(0).normal(size=(3, 5, 4))
    weights = np.array([0.5, -1.0, 2.0])
    share = np.exp(weights) / np.exp(weights).sum()
    mix = ScalarMix(3, weights=weights.tolist(), gamma=1.5)
    expected = 1.5 * sum(s * layer for s, layer in zip(share, layers, strict=True))
    actual = mix(torch.tensor(layers, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_default_is_the_plain_average() -> None:
    layers = torch.randn(3, 5, 4)
    torch.testing.assert_close(ScalarMix(3)(layers), layers.mean(0))


def test_layer_norm_counts_only_the_rows_it_is_told() -> None:
    layers = np.random.default_rng(1).normal(size=(2, 6, 4)) * 3 + 1
    keep = np.array([False, True, True, True, True, False])
    mean = layers[:, keep].mean(axis=(1, 2), keepdims=True)
    variance = ((layers[:, keep] - mean) ** 2).mean(axis=(1, 2), keepdims=True)
    expected = ((layers - mean) / np.sqrt(variance + 1e-12)).mean(axis=0)
    mix = ScalarMix(2, layer_norm=True)
    actual = mix(torch.tensor(layers), torch.tensor(keep)).detach().numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_layer_norm_of_nothing_is_nothing() -> None:
    assert ScalarMix(2, layer_norm=True)(torch.empty(2, 0, 4)).shape == (0, 4)


def test_several_mixes_learn_from_one_run() -> None:
    layers = torch.randn(3, 5, 4, requires_grad=True)
    mixes = [ScalarMix(3), ScalarMix(3, gamma=2.0)]
    loss = sum((mix(layers).square().sum() + 0.1 * mix.l2() for mix in mixes), torch.zeros(()))
    loss.backward()
    for mix in mixes:
        assert mix.weights.grad is not None
        assert mix.gamma.grad is not None
        assert mix.weights.grad.abs().sum() > 0


def test_errors() -> None:
    with pytest.raises(ValueError, match="2 mix weights for 3 layers"):
        ScalarMix(3, weights=[0.0, 1.0])
    with pytest.raises(ValueError, match="mix of 3 layers was given 2"):
        ScalarMix(3)(torch.zeros(2, 1, 4))


@pytest.mark.parametrize("weights", [[float("nan"), 0.0], [float("inf"), 0.0], [float("-inf")] * 2])
def test_weights_that_have_no_softmax(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="have no softmax"):
        ScalarMix(2, weights=weights)


@pytest.mark.parametrize("gamma", [float("nan"), float("inf")])
def test_gamma_is_finite(gamma: float) -> None:
    with pytest.raises(ValueError, match=r"gamma is .*: expected a finite number"):
        ScalarMix(2, gamma=gamma)


def test_a_weight_of_minus_infinity_leaves_its_layer_out() -> None:
    mix = ScalarMix(2, weights=[float("-inf"), 1e30], gamma=2.0)
    assert torch.equal(mix(torch.tensor([[[5.0]], [[3.0]]])), torch.tensor([[6.0]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_layers_of_any_float_type(dtype: torch.dtype) -> None:
    """A mix of halves is no half itself, however large gamma is."""
    layers = torch.full((3, 2, 4), 2.0, dtype=dtype)
    mixed = ScalarMix(3, gamma=1e5)(layers)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, torch.full((2, 4), 2e5), rtol=2e-2, atol=0)
