"""The optimizers against PyTorch's: whole tensors, and tables of which a step touches some rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.pretraining.config import RECIPES
from spacy_elmo.pretraining.step.language_model import dense_parameters, new_model, tables
from spacy_elmo.pretraining.step.optimizer import Optimizer
from spacy_elmo.vocabulary import SPECIAL_WORDS
from tests.pretraining.small import config

RATES = (0.3, 0.1, 0.2, 0.05, 0.1, 0.02)
DENSE = {"convolution": (2, 3, 4), "weight": (4, 3), "bias": (4,)}
TABLES = {"softmax.weight": (9, 3), "softmax.bias": (9,)}
# Rows that each step touches, in any order: some often, some once, some never. A table may also be
# left out of a step.
TOUCHED: dict[str, tuple[tuple[int, ...], ...]] = {
    "softmax.weight": ((3, 0, 5), (0,), (7, 0, 2, 1), (0, 5), (6, 0, 4), (5, 0, 3)),
    "softmax.bias": ((2,), (8, 2, 0), (), (1, 2), (), (2, 8)),
}
NEVER = {"softmax.weight": 8, "softmax.bias": 7}
# The epsilon is large, so that it matters where it is added.
ADAMW = {
    "optimizer": "adamw",
    "beta1": 0.8,
    "beta2": 0.95,
    "epsilon": 1e-3,
    "weight_decay": 0.4,
}
ADAGRADS = (
    {"optimizer": "adagrad", "epsilon": 0.0, "initial_accumulator": 1.0},  # bilm-tf
    {"optimizer": "adagrad", "epsilon": 1e-2, "initial_accumulator": 0.1},
)


def _parameters(shapes: Mapping[str, Sequence[int]]) -> dict[str, nn.Parameter]:
    torch.manual_seed(0)
    return {
        name: nn.Parameter(torch.randn(*shape, dtype=torch.float64))
        for name, shape in shapes.items()
    }


def _copies(parameters: Mapping[str, Tensor]) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(value.detach().clone()) for name, value in parameters.items()}


def _gradients(shapes: Mapping[str, Sequence[int]]) -> list[dict[str, Tensor]]:
    """Gradients of each step, of sizes that vary."""
    torch.manual_seed(1)
    return [
        {
            name: 10.0**-number * torch.randn(*shape, dtype=torch.float64)
            for name, shape in shapes.items()
        }
        for number in range(len(RATES))
    ]


def _step(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def _torch_adamw(decaying: list[nn.Parameter], others: list[nn.Parameter]) -> torch.optim.Optimizer:
    groups = [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in ((decaying, ADAMW["weight_decay"]), (others, 0.0))
        if parameters
    ]
    return torch.optim.AdamW(groups, betas=(ADAMW["beta1"], ADAMW["beta2"]), eps=ADAMW["epsilon"])


def _torch_adagrad(
    parameters: list[nn.Parameter], values: Mapping[str, Any]
) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(
        parameters,
        initial_accumulator_value=values["initial_accumulator"],
        eps=values["epsilon"],
    )


def _assert_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize("values", [ADAMW, *ADAGRADS], ids=str)
def test_whole_tensors(values: dict[str, Any]) -> None:
    found = _parameters(DENSE)
    expected = _copies(found)
    optimizer = Optimizer(config(**values), found, {})
    if values is ADAMW:
        bias = expected["bias"]
        other = _torch_adamw([p for p in expected.values() if p is not bias], [bias])
    else:
        other = _torch_adagrad(list(expected.values()), values)
    for rate, gradients in zip(RATES, _gradients(DENSE), strict=True):
        for name, parameter in expected.items():
            parameter.grad = gradients[name].clone()
        optimizer.step(gradients, {}, rate)
        _step(other, rate)
        _assert_equal(found, expected)


def _of_both(values: dict[str, Any], parameters: Mapping[str, nn.Parameter]) -> Optimizer:
    return Optimizer(
        config(**values),
        {name: parameters[name] for name in DENSE},
        {name: parameters[name] for name in TABLES},
    )


def _step_rows(optimizer: Optimizer, number: int, gradients: Mapping[str, Tensor]) -> None:
    """Take a step of tables and whole tensors; no other rows than the touched ones may change."""
    before = _copies(optimizer.rows.tables)
    given = {}
    for name, touched in TOUCHED.items():
        if touched[number]:
            rows = torch.tensor(touched[number])
            given[name] = (rows, gradients[name][rows])
    optimizer.step({name: gradients[name] for name in DENSE}, given, RATES[number])
    for name, table in optimizer.rows.tables.items():
        for row, (now, earlier) in enumerate(zip(table, before[name], strict=True)):
            changed = not torch.equal(now, earlier)  # to the bit
            assert changed == (row in TOUCHED[name][number]), (name, row)


@pytest.mark.parametrize("values", ADAGRADS, ids=str)
def test_adagrad_by_rows_is_that_of_the_whole_table(values: dict[str, Any]) -> None:
    found = _parameters({**DENSE, **TABLES})
    expected = _copies(found)
    optimizer = _of_both(values, found)
    other = _torch_adagrad(list(expected.values()), values)
    for number, gradients in enumerate(_gradients({**DENSE, **TABLES})):
        for name, parameter in expected.items():
            parameter.grad = gradients[name].clone()
            if name in TABLES:
                rows = [row in TOUCHED[name][number] for row in range(len(parameter))]
                parameter.grad[~torch.tensor(rows)] = 0.0
        _step_rows(optimizer, number, gradients)
        _step(other, RATES[number])
        _assert_equal(found, expected)


def test_adamw_of_a_row_counts_the_steps_that_touched_it() -> None:
    """Each row against an AdamW of its own, which knows no other steps, and without decay."""
    found = _parameters({**DENSE, **TABLES})
    expected = {
        (name, row): nn.Parameter(found[name][row].detach().clone())
        for name in TABLES
        for row in range(len(found[name]))
    }
    others = {key: _torch_adamw([], [value]) for key, value in expected.items()}
    optimizer = _of_both(ADAMW, found)
    for number, gradients in enumerate(_gradients({**DENSE, **TABLES})):
        for (name, row), value in expected.items():
            if row in TOUCHED[name][number]:
                value.grad = gradients[name][row].clone()
                _step(others[name, row], RATES[number])
        _step_rows(optimizer, number, gradients)
        for (name, row), value in expected.items():
            torch.testing.assert_close(found[name][row], value, rtol=0, atol=1e-12)
    for name, row in NEVER.items():
        for part in ("count", "mean", "square"):
            assert not optimizer.state[f"{part}.{name}"][row].any()


def test_the_original_recipe_by_hand() -> None:
    """bilm-tf's Adagrad: sums of squares begin at 1, and nothing is added to their root."""
    parameter = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    table = nn.Parameter(torch.tensor([5.0, 1.0], dtype=torch.float64))
    recipe = RECIPES["bilm-tf"]
    optimizer = Optimizer(recipe, {"dense": parameter}, {"table": table})
    for gradient in (2.0, -1.0, 0.0):
        value = torch.tensor([gradient], dtype=torch.float64)
        rows = (torch.tensor([1]), value)
        optimizer.step({"dense": value}, {"table": rows}, recipe.learning_rate)
    expected = 1.0 - 0.2 * 2.0 / math.sqrt(5.0) + 0.2 * 1.0 / math.sqrt(6.0)
    assert parameter.item() == pytest.approx(expected, rel=1e-14)
    assert table.tolist() == pytest.approx([5.0, expected], rel=1e-14)


@pytest.mark.parametrize(
    "changes",
    [{}, {"model": {"char_cnn": None}}, {"model": {"char_cnn": None}, "tied": True}],
    ids=["characters", "words", "tied"],
)
def test_what_decays(changes: dict[str, Any]) -> None:
    """Where no gradient moves them, all weights shrink but biases, softmax and word embedding."""
    tied = changes.get("tied", False)
    made = config(**ADAMW, share_embedding_softmax=tied, model=changes.get("model", {}))
    lm = new_model(made.model, SPECIAL_WORDS, tied=tied)
    named = dict(lm.named_parameters())
    dense, rows = dense_parameters(lm), tables(lm)
    assert sorted([*dense, *rows]) == sorted(named)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in named.values():
            parameter.normal_()  # fresh biases are zero
    before = _copies(named)
    everywhere = torch.arange(len(SPECIAL_WORDS))
    Optimizer(made, dense, rows).step(
        {name: torch.zeros_like(value) for name, value in dense.items()},
        {name: (everywhere, torch.zeros_like(value)) for name, value in rows.items()},
        0.5,
    )
    kept = {name for name, value in named.items() if torch.equal(value, before[name])}
    assert kept == {
        name
        for name in named
        if name.startswith("softmax.") or name.endswith(("bias", "token_encoder.embedding"))
    }
    for name in named.keys() - kept:
        torch.testing.assert_close(named[name], before[name] * (1.0 - 0.5 * 0.4), msg=name)


@pytest.mark.parametrize(
    ("values", "moments"),
    [(ADAMW, {"mean", "square"}), (ADAGRADS[0], {"square"})],
    ids=["adamw", "adagrad"],  # the text of a set is another one in each process
)
def test_checkpoints_name_the_moments_as_ever(values: dict[str, Any], moments: set[str]) -> None:
    """Whatever PyTorch calls them: checkpoints of any version are read by any other."""
    state = _of_both(values, _parameters({**DENSE, **TABLES})).state
    expected = {f"{moment}.{name}" for moment in moments for name in (*DENSE, *TABLES)}
    if values is ADAMW:
        expected |= {f"count.{name}" for name in TABLES}
    assert state.keys() == expected


@pytest.mark.parametrize("values", [ADAMW, *ADAGRADS], ids=str)
def test_a_copied_state_goes_on_to_the_bit(values: dict[str, Any]) -> None:
    found = _parameters({**DENSE, **TABLES})
    optimizer = _of_both(values, found)
    gradients = _gradients({**DENSE, **TABLES})
    for number in range(3):
        _step_rows(optimizer, number, gradients[number])
    other = _copies(found)
    again = _of_both(values, other)
    for name, tensor in optimizer.state.items():
        again.state[name].copy_(tensor)
    again.steps = optimizer.steps
    for number in range(3, len(RATES)):
        _step_rows(optimizer, number, gradients[number])
        _step_rows(again, number, gradients[number])
    for name, value in found.items():
        assert torch.equal(other[name], value), name


@pytest.mark.parametrize("values", [ADAMW, ADAGRADS[0]], ids=str)
def test_gradients_may_lie_in_memory_as_they_like(values: dict[str, Any]) -> None:
    gradient = torch.arange(12.0, dtype=torch.float64).reshape(3, 4).t()
    ended = []
    for given in (gradient, gradient.contiguous()):
        parameters = _parameters({"weight": (4, 3)})
        Optimizer(config(**values), parameters, {}).step({"weight": given}, {}, 0.1)
        ended.append(parameters["weight"])
    assert torch.equal(*ended)
