"""Gradients of the differentiable path against finite differences of the oracle."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from tests.bilm.oracle_cases import CASES, Array, warm_state
from tests.reference.elmo import Sentence

# Cases whose gradients are also taken from a state that is not zero.
WARM = ("original_switches", "both_clips_fire", "four_layers", "no_lstm_projection")


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("name", "start"), [*((name, "zero") for name in CASES), *((name, "warm") for name in WARM)]
)
def test_gradients_are_those_of_the_oracle(name: str, start: str) -> None:
    """Autograd of `forward` in float64 against central differences of the oracle, for a random
    direction in the space of each weight."""
    case = CASES[name]
    elmo, lm = case.build()
    lm = lm.double()
    state = warm_state(elmo) if start == "warm" else elmo.zero_state()
    if start == "warm":
        lm.initial_h, lm.initial_c = (torch.from_numpy(part) for part in state)
        lm.initial_state = "warm"
    batch: list[Sentence] = [["the", "bank", "Zürich"], [], ["raised"], ["bank", ".", "the", "."]]
    rng = np.random.default_rng(9)
    answer = lm.forward(batch)
    factors = rng.normal(size=answer.shape)
    (answer * torch.from_numpy(factors)).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {name: tensor.grad for name, tensor in lm.named_parameters()}

    def loss(weights: Mapping[str, Array]) -> float:
        model = case.reference(weights)
        layers = np.concatenate([model.layers(sentence, state) for sentence in batch], axis=1)
        return float((layers * factors).sum())

    for dataset, weight in elmo.weights.items():
        step = rng.normal(size=weight.shape)
        up, down = (loss({**elmo.weights, dataset: weight + s * step}) for s in (1e-6, -1e-6))
        expected = (up - down) / 2e-6
        before = case.layout(elmo.weights)
        after = case.layout({**elmo.weights, dataset: weight + step})
        actual = 0.0
        for tensor, moved in after.items():
            gradient = gradients[tensor]
            assert gradient is not None, tensor
            actual += float((gradient.numpy() * (moved - before[tensor])).sum())
        assert actual == pytest.approx(expected, rel=1e-5, abs=1e-6), dataset
