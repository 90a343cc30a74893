"""The LSTM cell of a training in every instruction set, and by PyTorch, against float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.lstm_training import ByPyTorch, Compiled, training_cell
from tests.bilm.kernels.memory import assert_nothing_beside_is_written, inside
from tests.bilm.kernels.reference import Array, cells_after, outputs, sigmoid

CPU = torch.device("cpu")
CLIPS = (None, 0.0, 0.1, 0.3, 3.0)

pytestmark = pytest.mark.usefixtures("one_thread")


def _gradients(
    gates: Array, before: Array, d_out: Array, d_cells: Array, clip: float | None
) -> tuple[Array, Array]:
    """Gradients of gates and of the cells before, in float64, from the gates as they came in."""
    after = cells_after(gates, before, clip)
    i, f, o, g = np.split(gates.astype(np.float64), 4, axis=1)
    i, f, o, g, t = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g), np.tanh(after)
    d_c = d_cells + d_out * o * (1 - t**2)
    if clip is not None:
        d_c = d_c * (np.abs(after) < np.float32(clip))
    d_gates = [d_c * g * i * (1 - i), d_c * before * f * (1 - f), d_out * t * o * (1 - o)]
    return np.hstack([*d_gates, d_c * i * (1 - g**2)]), d_c * f


def _both(
    gates: Tensor,
    before: Tensor,
    d_out: Tensor,
    d_cells: Tensor,
    clip: float | None,
    offset: int = 0,
    gap: int = 0,
) -> tuple[Tensor, ...]:
    """Activations, cells, outputs, and gradients of gates and cells; nothing beside is written."""
    cell = training_cell(gates.dtype, torch.float32, CPU)
    gate, old = inside(gates, offset, gap), inside(before, offset + 1, gap)
    new, out = inside(before, offset + 2, gap), inside(d_out, offset + 3, gap)
    cell.forward(gate, old, new, out, clip)
    answers = [gate.clone(), new.clone(), out.clone()]
    assert torch.equal(old, before) or before.isnan().any()
    given, carried = inside(d_out, offset, gap), inside(d_cells, offset + 1, gap)
    cell.backward(gate, old, new, given, carried, clip)
    answers += [gate.clone(), carried.clone()]
    assert_nothing_beside_is_written(gate, old, new, out, given, carried)
    return tuple(answers)


def _random(seed: int, n_rows: int, n_cells: int, size: float) -> tuple[Array, ...]:
    rng = np.random.default_rng(seed)
    gates = rng.normal(scale=size, size=(n_rows, 4 * n_cells)).astype(np.float32)
    cells, d_out, d_cells = rng.normal(size=(3, n_rows, n_cells)).astype(np.float32)
    return gates, cells, d_out, d_cells


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    n_rows=st.integers(0, 70),
    n_cells=st.integers(0, 70),
    clip=st.sampled_from(CLIPS),
    offset=st.integers(0, 17),
    gap=st.integers(0, 40),
    size=st.sampled_from([1e-3, 1.0, 10.0, 60.0]),
    seed=st.integers(0, 2**16),
)
def test_any_size_and_stride(
    choice: str,
    n_rows: int,
    n_cells: int,
    clip: float | None,
    offset: int,
    gap: int,
    size: float,
    seed: int,
) -> None:
    given = _random(seed, n_rows, n_cells, size)
    gates, before, *_ = given
    found = [t.numpy() for t in _both(*map(torch.from_numpy, given), clip, offset, gap)]
    right = cells_after(gates, before, clip)
    np.testing.assert_allclose(found[1], right, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found[2], outputs(gates, found[1]), rtol=0, atol=1e-6)
    activations = [*map(sigmoid, np.split(gates.astype(np.float64), 4, axis=1)[:3])]
    activations.append(np.tanh(np.split(gates.astype(np.float64), 4, axis=1)[3]))
    np.testing.assert_allclose(found[0], np.hstack(activations), rtol=0, atol=5e-7)
    for answer, expected in zip(found[3:], _gradients(*given, clip), strict=True):
        if clip is None:
            np.testing.assert_allclose(answer, expected, rtol=0, atol=5e-6)
            continue
        # Where a cell stands at its clip to the last digit, either side is right.
        edge = np.abs(np.abs(right) - np.float32(clip)) < 2e-6
        edge &= right != np.sign(right) * np.float32(clip)
        off = ~np.isclose(answer, expected, rtol=0, atol=5e-6)
        assert not (off & ~np.tile(edge, answer.shape[1] // max(1, n_cells))).any()
    if clip is not None:
        assert np.abs(found[1]).max(initial=0) <= np.float32(clip)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(n_cells=st.integers(0, 70), clip=st.sampled_from(CLIPS), seed=st.integers(0, 2**16))
def test_bfloat16_is_float32_rounded_at_the_ends(
    choice: str, n_cells: int, clip: float | None, seed: int
) -> None:
    if choice == loader.OFF:
        clip = None  # rounded, a cell may come to the other side of it
    gates, cells, d_out, d_cells = map(torch.from_numpy, _random(seed, 5, n_cells, 2.0))
    gates, d_out = gates.bfloat16(), d_out.bfloat16()
    half = _both(gates, cells, d_out, d_cells, clip)
    full = _both(gates.float(), cells, d_out.float(), d_cells, clip)
    assert [t.dtype for t in half] == [
        torch.bfloat16 if n in (0, 2, 3) else torch.float32 for n in range(5)
    ]
    scale = 1 + max((t.abs().max().item() for t in full if t.numel()), default=0.0)
    for number, (a, b) in enumerate(zip(half, full, strict=True)):
        # The cells, which carry a window's memory, are not rounded in a kernel.
        atol = 0.0 if number == 1 and choice != loader.OFF else 0.03 * scale
        torch.testing.assert_close(a.float(), b, rtol=0, atol=atol)


@pytest.mark.parametrize("place", range(7), ids=["i", "f", "o", "g", "cell", "d_out", "d_cell"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_no_numbers_stay_where_they_are(
    choice: str, place: int, value: float, clip: float | None
) -> None:
    n_cells = 37
    for column in range(n_cells):
        gates, cells, d_out, d_cells = (
            np.ones((1, n), "f4") * 0.5 for n in (4 * n_cells, *[n_cells] * 3)
        )
        if place < 4:
            gates[0, column + place * n_cells] = value
        else:
            (cells, d_out, d_cells)[place - 4][0, column] = value
        given = gates, cells, d_out, d_cells
        found = [t.numpy() for t in _both(*map(torch.from_numpy, given), clip)]
        with np.errstate(all="ignore"):
            after = cells_after(gates, cells, clip)
            right = [after, outputs(gates, after), *_gradients(*given, clip)]
        for answer, expected in zip(found[1:], right, strict=True):
            np.testing.assert_allclose(answer, expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("clip", [0.1, 1 / 3, 3.0])
def test_no_gradient_goes_through_a_clipped_cell(choice: str, clip: float) -> None:
    gates = torch.full((1, 4 * 35), 5.0)
    cells = torch.tensor([[9.0, -9.0] * 17 + [0.0]]) * torch.ones(1, 35)
    cells[0, -1] = -0.99  # ends within the largest of the clips only
    _, after, _, d_gates, d_cells = _both(gates, cells, torch.ones(1, 35), torch.ones(1, 35), clip)
    clipped = after[0].abs() == np.float32(clip)
    assert clipped[:-1].all()
    i, f, _, g = d_gates.chunk(4, dim=1)
    for gradient in (i, f, g, d_cells):
        assert (gradient[0, clipped] == 0).all()
    if not clipped[-1]:
        assert d_cells[0, -1] != 0


def test_a_row_does_not_depend_on_its_neighbours(choice: str) -> None:
    if choice == loader.OFF:
        pytest.skip("PyTorch's operations give no such promise")
    given = [torch.from_numpy(a) for a in _random(0, 33, 37, 1.0)]
    together = _both(*given, None)
    for row in range(33):
        alone = _both(*(t[row : row + 1] for t in given), None, offset=row % 17)
        for a, b in zip(alone, together, strict=True):
            assert torch.equal(a[0], b[row])


@pytest.mark.parametrize("name", loader.offered())
def test_the_kernel_only_does_what_it_can(name: str) -> None:
    with loader.use(name):
        for gates in (torch.float32, torch.bfloat16):
            cell = training_cell(gates, torch.float32, CPU)
            assert isinstance(cell, Compiled)
            assert cell.instruction_set == name
            assert isinstance(training_cell(gates, torch.float64, CPU), ByPyTorch)
            assert isinstance(training_cell(gates, torch.float32, torch.device("cuda")), ByPyTorch)
        for gates in (torch.float16, torch.float64):
            assert isinstance(training_cell(gates, torch.float32, CPU), ByPyTorch)
        cell = training_cell(torch.float32, torch.float32, CPU)
    good = torch.ones(2, 12), torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 3)
    cell.forward(*good, None)
    bad = torch.ones(12, 2).t(), torch.ones(2, 11), torch.ones(2, 12, dtype=torch.float64)
    for tensor in bad:
        with pytest.raises(AssertionError):
            cell.forward(tensor, *good[1:], None)
        with pytest.raises(AssertionError):
            cell.backward(tensor, *good[1:], torch.ones(2, 3), None)
