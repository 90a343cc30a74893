"""The Thinc model: copies, bytes, gradients, optimisers, averages."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from thinc.api import Adam, Model, RAdam

from spacy_elmo import WeightsError
from spacy_elmo.pipeline.model.bilm import build_bilm_v1, configure, get_shim, run
from spacy_elmo.pipeline.settings import ElmoSettings
from tests.tiny import WIDTH, tiny_lm

VOCAB = spacy.blank("en").vocab
DOCS = [
    Doc(VOCAB, words=["the", "river", "bank"]),
    Doc(VOCAB, words=[]),
    Doc(VOCAB, words=["a", " ", "bank", "raised", "rates"], sent_starts=[1, 0, 0, 1, 0]),
]


@pytest.fixture
def model(weights: Path) -> Model[Any, Any]:
    made: Model[Any, Any] = build_bilm_v1(weights=str(weights))
    configure(made, ElmoSettings(frozen=False))
    return made


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


def step(model: Model[Any, Any], optimizer: Any) -> None:
    outputs, backprop = model.begin_update(DOCS)
    backprop([output - 1 for output in outputs])
    model.finish_update(optimizer)


def loss(model: Model[Any, Any]) -> float:
    return float(sum(((output - 1) ** 2).sum() for output in model.predict(DOCS)))


def test_output(model: Model[Any, Any]) -> None:
    assert model.has_dim("nO") is None
    outputs = model.predict(DOCS)
    assert [output.shape for output in outputs] == [(len(doc), WIDTH) for doc in DOCS]
    assert model.get_dim("nO") == WIDTH
    trained, _ = model.begin_update(DOCS)
    assert same(trained, outputs)
    for is_train in (False, True):
        said, _ = run(model, DOCS, is_train, layers=True)
        assert same([each.layers.mean(axis=0) for each in said], outputs)
        assert same([each.vectors for each in said], outputs)
        assert all(each.layers is None for each in run(model, DOCS, is_train)[0])


def test_copies_have_weights_and_an_id_of_their_own(model: Model[Any, Any]) -> None:
    before = model.predict(DOCS)
    for copied in (model.copy(), copy.deepcopy(model)):
        assert get_shim(copied).id != get_shim(model).id
        assert same(copied.predict(DOCS), before)
        step(copied, Adam(0.1))
        assert not same(copied.predict(DOCS), before)
        assert same(model.predict(DOCS), before)


def test_pickles(model: Model[Any, Any]) -> None:
    before = model.predict(DOCS)
    assert same(pickle.loads(pickle.dumps(model)).predict(DOCS), before)


def test_an_unloaded_model_can_be_copied(model: Model[Any, Any]) -> None:
    copied = model.copy()
    assert not get_shim(copied).is_loaded
    assert same(copied.predict(DOCS), model.predict(DOCS))
    assert get_shim(copied).lm is not get_shim(model).lm


def test_bytes(model: Model[Any, Any], tmp_path: Path) -> None:
    step(model, Adam(0.1))
    data = model.to_bytes()
    other: Model[Any, Any] = build_bilm_v1(weights=None).from_bytes(data)
    assert same(other.predict(DOCS), model.predict(DOCS))
    assert other.to_bytes() == data
    model.to_disk(tmp_path / "model")
    other = build_bilm_v1(weights=None).from_disk(tmp_path / "model")
    assert same(other.predict(DOCS), model.predict(DOCS))


def test_gradients_are_those_of_the_vectors(model: Model[Any, Any]) -> None:
    """Through Thinc as through PyTorch alone."""
    outputs, backprop = model.begin_update(DOCS)
    backprop([2 * output for output in outputs])
    lm = get_shim(model).lm
    found = {name: p.grad.clone() for name, p in lm.named_parameters() if p.grad is not None}
    lm.zero_grad()
    mixed = lm([["the", "river", "bank"], ["a", "bank"], ["raised", "rates"]]).mean(dim=0)
    mixed.square().sum().backward()
    assert len(found) == len(list(lm.parameters()))
    for name, parameter in lm.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-5, rtol=1e-4)


def test_training_reaches_the_weights(model: Model[Any, Any]) -> None:
    before = loss(model)
    optimizer = Adam(0.01)
    for _ in range(30):
        step(model, optimizer)
    assert loss(model) < before / 2
    assert all(parameter.grad is None for parameter in get_shim(model).lm.parameters())


def test_frozen_makes_no_graph(model: Model[Any, Any]) -> None:
    before = model.predict(DOCS)
    shim = get_shim(model)
    configure(model, ElmoSettings(frozen=True))
    assert not any(parameter.requires_grad for parameter in shim.lm.parameters())
    _, backprop = run(model, DOCS, is_train=True, layers=True)
    assert backprop is None
    step(model, Adam(0.1))
    assert all(parameter.grad is None for parameter in shim.lm.parameters())
    assert same(model.predict(DOCS), before)


def test_nothing_to_read(model: Model[Any, Any]) -> None:
    docs = [Doc(VOCAB), Doc(VOCAB, words=[" "])]
    outputs, backprop = model.begin_update(docs)
    assert [output.shape for output in outputs] == [(0, WIDTH), (1, WIDTH)]
    assert backprop(outputs) == []


def test_learn_rate_factor(weights: Path) -> None:
    """Half the rate is half the step, whatever the optimiser's state."""
    steps = []
    for factor in (1.0, 0.5):
        model: Model[Any, Any] = build_bilm_v1(weights=str(weights))
        configure(model, ElmoSettings(frozen=False, learn_rate_factor=factor))
        before = get_shim(model).lm.forward_layers[0].bias.detach().clone()
        step(model, Adam(0.01, L2=0, grad_clip=0))
        steps.append(get_shim(model).lm.forward_layers[0].bias.detach() - before)
    torch.testing.assert_close(steps[1], steps[0] / 2, atol=1e-7, rtol=1e-3)


@pytest.mark.parametrize("make", [Adam, RAdam])
@pytest.mark.parametrize("n_steps", [1, 10])
def test_a_thousandth_of_the_rate(weights: Path, make: Any, n_steps: int) -> None:
    """Weight decay included; RAdam takes other steps after the first five."""
    shim = get_shim(build_bilm_v1(weights=str(weights)))
    moved = []
    for factor in (1.0, 0.001):
        shim.reload()
        shim.configure(ElmoSettings(frozen=False, learn_rate_factor=factor))
        optimizer = make([0.05, *[0.01] * 20], L2=0.1)
        weight = shim.lm.forward_layers[0].weight
        before = weight.detach().clone()
        for _ in range(n_steps):
            weight.grad = torch.full_like(weight, 0.01)
            shim.finish_update(optimizer)
            assert optimizer.learn_rate in (0.05, 0.01), "others use the optimiser, too"
            optimizer.step_schedules()
        assert optimizer.nr_update[shim.id, "forward_layers.0.weight"] == n_steps
        moved.append((weight.detach() - before).norm().item())
    assert moved[1] == pytest.approx(moved[0] / 1000, rel=0.05)


def test_averages_take_effect(model: Model[Any, Any], tmp_path: Path) -> None:
    optimizer = Adam(0.05, use_averages=True)
    for _ in range(5):
        step(model, optimizer)
    last = model.predict(DOCS)
    bias = get_shim(model).lm.forward_layers[0].bias
    keys = [key for key in optimizer.averages if key[0] == get_shim(model).id]
    assert len(keys) == len(list(get_shim(model).lm.parameters()))
    with model.use_params(optimizer.averages):
        averaged = model.predict(DOCS)
        assert not same(averaged, last)
        saved = model.to_bytes()
        address = bias.data_ptr()
    assert bias.data_ptr() != address
    assert same(model.predict(DOCS), last)
    loaded: Model[Any, Any] = build_bilm_v1(weights=None).from_bytes(saved)
    assert same(loaded.predict(DOCS), averaged)


def test_two_copies_have_their_own_optimiser_state(model: Model[Any, Any]) -> None:
    """Trained side by side by one optimiser, each ends where it would have ended alone."""
    model.predict(DOCS)
    twin = model.copy()
    alone = model.copy()
    optimizer, other = Adam(0.01), Adam(0.01)
    for _ in range(3):
        step(model, optimizer)
        step(twin, optimizer)
        step(alone, other)
    assert same(model.predict(DOCS), alone.predict(DOCS))
    assert same(twin.predict(DOCS), alone.predict(DOCS))


def test_exceptions_inside_use_params_restore_the_weights(model: Model[Any, Any]) -> None:
    before = model.predict(DOCS)
    shim = get_shim(model)
    name, parameter = next(shim.lm.named_parameters())
    params = {(shim.id, name): np.zeros(tuple(parameter.shape), dtype=np.float32)}

    def fail() -> None:
        with shim.use_params(params):
            assert not same(model.predict(DOCS), before)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert same(model.predict(DOCS), before)


def test_a_mean_vector_and_a_tiny_model_survive_bytes(tmp_path: Path) -> None:
    lm = tiny_lm(seed=3)
    lm.mean_layers = torch.ones(3, WIDTH)
    lm.save(tmp_path / "w")
    model: Model[Any, Any] = build_bilm_v1(weights=str(tmp_path / "w"))
    other: Model[Any, Any] = build_bilm_v1(weights=None).from_bytes(model.to_bytes())
    found = get_shim(other).lm.mean_layers
    assert found is not None
    assert torch.equal(found, torch.ones(3, WIDTH))


def test_damaged_bytes_are_named_and_change_nothing(weights: Path) -> None:
    model = build_bilm_v1(weights=str(weights))
    shim = get_shim(model)
    before = shim.lm
    data = shim.to_bytes()
    for bad in (b"", data[:100], data[:-5], b"\xc1" + data, data.replace(b"lstm_dim", b"lstm_dam")):
        with pytest.raises(WeightsError, match="hold no language model"):
            shim.from_bytes(bad)
    assert shim.lm is before
