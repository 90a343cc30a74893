"""Gradients clipped to a global norm, and dropout where bilm-tf has it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.pretraining.corpus.corpus import Corpus
from spacy_elmo.pretraining.run.state import Training
from spacy_elmo.pretraining.step import language_model
from spacy_elmo.pretraining.step.gradients import StepGradients
from spacy_elmo.pretraining.step.language_model import (
    Dropout,
    LayerStates,
    new_model,
    run_direction,
)
from spacy_elmo.vocabulary import SPECIAL_WORDS
from tests.pretraining.small import config, make_corpus, new_training

STEPS, ROWS = 6, 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("text"), number=40)


# --- clipping


def _gradients(norm: float) -> StepGradients:
    """Gradients of two tensors and of some rows of two tables, of a norm over all of them."""
    torch.manual_seed(0)
    shapes = [(4, 3), (4,), (2, 3), (2,)]
    values = [torch.randn(*shape, dtype=torch.float64) for shape in shapes]
    total = math.sqrt(sum(value.square().sum().item() for value in values))
    weight, bias, row_weights, row_biases = (value * (norm / total) for value in values)
    rows = torch.tensor([7, 2])
    return StepGradients(
        losses=torch.tensor([100.0, 200.0], dtype=torch.float64),
        states=[],
        dense={"weight": weight, "bias": bias},
        rows={"softmax.weight": (rows, row_weights), "softmax.bias": (rows.clone(), row_biases)},
    )


def _values(gradients: StepGradients) -> list[Tensor]:
    return [*gradients.dense.values(), *(value for _, value in gradients.rows.values())]


@pytest.mark.parametrize(
    ("clip_norm", "factor"), [(1.0, 0.2), (4.0, 0.8), (5.5, None), (1e6, None), (0.0, None)]
)
def test_gradients_above_the_norm_are_scaled_to_it(
    clip_norm: float, factor: float | None, corpus: Corpus
) -> None:
    training = new_training(corpus, config(clip_norm=clip_norm))
    gradients, before = _gradients(5.0), _gradients(5.0)
    norm = training._combine(gradients)
    assert norm.item() == pytest.approx(5.0, rel=1e-12)
    for found, earlier in zip(_values(gradients), _values(before), strict=True):
        if factor is None:
            assert torch.equal(found, earlier)
        else:
            torch.testing.assert_close(found, earlier * factor, rtol=1e-12, atol=0)
    assert torch.equal(gradients.losses, before.losses)
    for name, (rows, _) in gradients.rows.items():
        assert torch.equal(rows, before.rows[name][0])


def test_half_precision_is_clipped_without_its_scale(corpus: Corpus) -> None:
    training = new_training(corpus, config(clip_norm=1.0, precision="float16"))
    assert training.scale is not None
    gradients, expected = _gradients(5.0), _gradients(1.0)
    for value in _values(gradients):
        value.mul_(training.scale.value)
    assert training._combine(gradients).item() == pytest.approx(5.0, rel=1e-12)
    for found, value in zip(_values(gradients), _values(expected), strict=True):
        torch.testing.assert_close(found, value, rtol=1e-12, atol=0)


def _one_step(training: Training) -> float:
    """Take a step. Returns the norm it told."""
    batch = training.batches.batch(0)
    return training.advance(batch, training.batches.windows.state(), 1e3)[1].item()


def test_a_step_follows_the_clipped_gradients(corpus: Corpus, one_thread: None) -> None:
    # With so large a first sum of squares and such a rate Adagrad's step is the gradient itself.
    adagrad = {"optimizer": "adagrad", "initial_accumulator": 1e6, "epsilon": 0.0}
    norms, lengths = [], []
    for clip_norm in (0.0, 0.01):
        training = new_training(corpus, config(clip_norm=clip_norm, **adagrad))
        before = [parameter.detach().clone() for parameter in training.lm.parameters()]
        norms.append(_one_step(training))
        changes = zip(training.lm.parameters(), before, strict=True)
        lengths.append(math.sqrt(sum((new - old).square().sum().item() for new, old in changes)))
    assert norms[0] > 0.05
    assert norms[1] == pytest.approx(norms[0], rel=1e-6)
    assert lengths == pytest.approx([norms[0], 0.01], rel=1e-2)


# --- dropout


def _model(**sizes: Any) -> BiLM:
    """Three layers whose values are far from zero."""
    made = config(model={"n_layers": 3, **sizes}).model
    lm = new_model(made, SPECIAL_WORDS).double()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.normal_(0.0, 0.5)
    return lm


def _window(lm: BiLM) -> tuple[Tensor, LayerStates]:
    torch.manual_seed(1)
    sizes = lm.config
    inputs = torch.randn(STEPS, ROWS, sizes.projection_dim, dtype=torch.float64)
    h = torch.randn(sizes.n_layers, sizes.projection_dim, ROWS, dtype=torch.float64)
    c = torch.randn(sizes.n_layers, sizes.lstm_dim, ROWS, dtype=torch.float64)
    return inputs, LayerStates(h, c)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("share", [0.5, 0.2])
def test_dropout_by_hand(
    share: float, skip: bool, direction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer's input and the last output are masked; skip connections add what is left."""
    masks: list[Tensor] = []

    class Recorded(Dropout):
        def __call__(self, values: Tensor) -> Tensor:
            result = super().__call__(values)
            masks.append((result != 0.0).double())  # no value is zero by itself
            return result

    monkeypatch.setattr(language_model, "Dropout", Recorded)
    lm = _model(use_skip_connections=skip)
    inputs, before = _window(lm)
    with torch.no_grad():
        found, after = run_direction(
            lm, direction, inputs, before, dropout=share, generator=_seeded(3)
        )
    layers = list(lm.directions()[direction][1])
    assert len(masks) == len(layers) + 1
    for number, mask in enumerate(masks):
        assert 0.0 < mask.mean() < 1.0
        assert not torch.equal(mask[0], mask[1])  # each step has its own
        assert number == 0 or not torch.equal(mask, masks[number - 1])

    # The layers of the network itself, on rows of (steps * rows, P).
    flat_masks = [mask.transpose(1, 2).reshape(STEPS * ROWS, -1) for mask in masks]
    values = inputs.reshape(STEPS * ROWS, -1)
    with torch.no_grad():
        for number, layer in enumerate(layers):
            dropped = values * flat_masks[number] / (1.0 - share)
            h, c = before.h[number].t(), before.c[number].t()
            outputs, last_h, last_c = layer(dropped, [ROWS] * STEPS, h, c)
            values = outputs + dropped if skip and number else outputs
            torch.testing.assert_close(after.h[number].t(), last_h, rtol=0, atol=1e-12)
            torch.testing.assert_close(after.c[number].t(), last_c, rtol=0, atol=1e-12)
    expected = values * flat_masks[-1] / (1.0 - share)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_generator_seeds_the_dropout() -> None:
    lm = _model()
    inputs, before = _window(lm)

    def outputs(seed: int, other: int, dropout: float) -> Tensor:
        torch.manual_seed(other)
        generator = _seeded(seed)
        return run_direction(lm, 0, inputs, before, dropout=dropout, generator=generator)[0]

    first = outputs(3, 0, 0.5)
    assert torch.equal(outputs(3, 1, 0.5), first)  # PyTorch's own generator plays no part
    assert not torch.equal(outputs(4, 0, 0.5), first)
    assert torch.equal(outputs(3, 0, 0.0), outputs(4, 0, 0.0))


def test_dropout_keeps_the_mean() -> None:
    values = torch.full((100, 20, 50), 3.0)
    for share in (0.1, 0.5, 0.8):
        found = Dropout(share, _seeded(0))(values)
        left = found != 0.0
        torch.testing.assert_close(found[left], values[left] / (1.0 - share))
        assert left.float().mean().item() == pytest.approx(1.0 - share, abs=0.01)
        assert found.mean().item() == pytest.approx(3.0, rel=0.03)
    assert torch.equal(values, torch.full_like(values, 3.0))
    assert Dropout(0.0, _seeded(0))(values) is values


def test_the_masks_do_not_hang_on_the_layout_in_memory() -> None:
    values = torch.ones(3, 4, 5)
    drop, other = Dropout(0.5, _seeded(0)), Dropout(0.5, _seeded(0))
    for _ in range(2):
        drop(values)
        other(values)
    rows_first = torch.ones(3, 5, 4).transpose(1, 2)
    assert torch.equal(drop(values), other(rows_first))


def test_no_dropout_draws_nothing() -> None:
    generator = _seeded(0)
    state = generator.get_state()
    Dropout(0.0, generator)(torch.ones(3))
    assert torch.equal(generator.get_state(), state)


def test_each_step_and_direction_has_its_own_masks(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    """A step taken again, as after a restart, drops the same."""
    training = new_training(corpus, config(dropout=0.5))
    batch = training.batches.batch(0)

    def losses(step: int) -> Tensor:
        return training.stepper(batch, training.states, step).losses

    assert torch.equal(losses(3), losses(3))
    assert not torch.equal(losses(3), losses(4))

    drawn = {}
    for step in (3, 4):
        for direction in (0, 1):
            generator = training.stepper._generator(step, direction)
            drawn[step, direction] = tuple(Dropout(0.5, generator)(torch.ones(100)).tolist())
    assert len(set(drawn.values())) == 4
    other = new_training(corpus, config(dropout=0.5, seed=1)).stepper._generator(3, 0)
    assert tuple(Dropout(0.5, other)(torch.ones(100)).tolist()) not in drawn.values()
