"""A biLM is a PyTorch module: state dicts, float types, autocast."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from spacy_elmo import BiLM
from spacy_elmo.bilm.activations import tanh_
from tests.formats.models import TINY, TINY_WORDS, assert_same, give_softmax, small_weights

SENTENCES = [["the", "Bank"], ["a"], [], ["straße", "x", "y", "z", "the"]]


def everything() -> BiLM:
    lm = small_weights()
    lm.warm_up(SENTENCES)
    lm.measure_mean(SENTENCES)
    give_softmax(lm)
    return lm


def differences(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    assert [part.shape for part in found] == [part.shape for part in expected]
    return max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True) if a.size)


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_state_dict_is_all_that_is_learnt(device: str, assign: bool) -> None:
    lm = everything()
    with torch.device(device):
        other = BiLM(lm.config, lm.vocabulary)
    if device == "meta" and not assign:
        other = other.to_empty(device="cpu")
    state = {name: tensor.clone() for name, tensor in lm.state_dict().items()}
    assert other.load_state_dict(state, assign=assign).missing_keys == []
    assert_same(other, lm)
    assert differences(other.encode(SENTENCES), lm.encode(SENTENCES)) == 0


def test_a_state_dict_inside_another_module() -> None:
    lm = everything()
    outer = torch.nn.ModuleDict({"lm": BiLM(lm.config, lm.vocabulary)})
    outer.load_state_dict(torch.nn.ModuleDict({"lm": lm}).state_dict())
    inner = outer["lm"]
    assert isinstance(inner, BiLM)
    assert_same(inner, lm)


@pytest.mark.parametrize("name", ["initial_h", "initial_c", "softmax.weight", "softmax.bias"])
@pytest.mark.parametrize("strict", [False, True])
def test_half_a_pair(name: str, strict: bool) -> None:
    state = everything().state_dict()
    del state[name]
    with pytest.raises(RuntimeError, match="without its partner: expected both of"):
        BiLM(TINY).load_state_dict(state, strict=strict)


def test_shapes_of_what_may_be_there() -> None:
    state = everything().state_dict()
    state["mean_layers"] = state["mean_layers"][:1]
    with pytest.raises(RuntimeError, match="size mismatch for mean_layers"):
        BiLM(TINY).load_state_dict(state)


def test_weights_without_the_state_their_config_asks_for() -> None:
    lm = everything()
    other = BiLM(lm.config)
    with pytest.raises(ValueError, match="these weights hold no warm state"):
        other.encode(SENTENCES)
    other.load_state_dict(lm.state_dict())
    assert differences(other.encode(SENTENCES), lm.encode(SENTENCES)) == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("words", [False, True])
def test_autocast_changes_nothing(dtype: torch.dtype, words: bool) -> None:
    lm = small_weights(TINY_WORDS if words else TINY)
    expected = lm(SENTENCES)
    expected.square().sum().backward()
    gradients = [parameter.grad for parameter in lm.parameters()]
    lm.zero_grad()
    with torch.autocast("cpu", dtype=dtype):
        found = lm(SENTENCES)
    found.square().sum().backward()  # outside, as PyTorch asks for
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
    for parameter, gradient in zip(lm.parameters(), gradients, strict=True):
        assert gradient is not None
        torch.testing.assert_close(parameter.grad, gradient)
    with torch.autocast("cpu", dtype=dtype):
        lm(SENTENCES).square().sum().backward()  # works, if in part with the caller's precision
    lm.warm_up(SENTENCES)
    expected_h = lm.initial_h
    assert expected_h is not None
    with torch.autocast("cpu", dtype=dtype):
        lm.warm_up(SENTENCES)
    assert lm.initial_h is not None
    assert torch.equal(lm.initial_h, expected_h)


@pytest.mark.parametrize("state", ["zero", "warm", "carry"])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float16, 5e-3), (torch.float64, 1e-5)])
def test_other_float_types(state: str, dtype: torch.dtype, near: float) -> None:
    lm, other = everything(), everything().to(dtype)
    for reader in (lm, other):
        reader.initial_state = state
    for _ in range(2):  # the second time from what was carried
        assert differences(other.encode(SENTENCES), lm.encode(SENTENCES)) < near
        with torch.no_grad():
            assert (other(SENTENCES).double() - lm(SENTENCES)).abs().max() < near
    lm.warm_up(SENTENCES)
    other.warm_up(SENTENCES)
    assert lm.initial_c is not None
    assert other.initial_c is not None
    assert other.initial_c.dtype == dtype
    assert (other.initial_c.double() - lm.initial_c).abs().max() < near


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tanh_far_out(dtype: torch.dtype) -> None:
    values = torch.tensor([-1e4, -40.0, -5.5, -1.0, 0.0, 1.0, 5.5, 40.0, 1e4], dtype=dtype)
    expected = torch.tanh(values.double())
    precision = torch.finfo(dtype).eps
    assert (tanh_(values.clone()).double() - expected).abs().max() <= max(2 * precision, 1e-12)


def test_half_precision_of_large_weights_is_finite() -> None:
    lm = small_weights()
    with torch.no_grad():
        for name, parameter in lm.named_parameters():
            if "layers" in name:
                parameter *= 30
    half = lm.half()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(np.isfinite(layers).all() for layers in half.encode(SENTENCES))
    assert torch.isfinite(half(SENTENCES)).all()


def test_vectors_that_are_not_finite_are_said_once() -> None:
    lm = small_weights()
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter *= 1e15
    with pytest.warns(RuntimeWarning, match="vectors hold NaN or infinite values") as caught:
        found = lm.encode(SENTENCES * 2)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lm.encode(SENTENCES)
    assert not all(np.isfinite(layers).all() for layers in found)
    lm = small_weights()
    with torch.no_grad():
        lm.forward_layers[0].bias.fill_(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lm.encode(SENTENCES)


@pytest.mark.parametrize("initial_state", ["zero", "carry"])
def test_forward_and_carry_say_so_too(initial_state: str) -> None:
    lm = small_weights()
    lm.initial_state = initial_state
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter *= 1e15
    read = lm.encode if initial_state == "carry" else lm.forward
    with pytest.warns(RuntimeWarning, match="vectors hold NaN or infinite values") as caught:
        read([["the", "bank"]])
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read([["the", "bank"]])
    lm.weights_changed()
    with pytest.warns(RuntimeWarning, match="vectors hold NaN"):
        lm.forward([["the", "bank"]])
