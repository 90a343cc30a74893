"""The LSTM cell in every instruction set of this machine, and by PyTorch, against float64."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import Pool

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.lstm_cell import by_pytorch, lstm_cell
from tests.bilm.kernels.memory import assert_nothing_beside_is_written, inside
from tests.bilm.kernels.reference import Array, cells_after, outputs

CPU = torch.device("cpu")
CLIPS = (None, 0.0, 0.1, 0.3, 3.0)
# Where the exponentials of a gate or a cell change their course, and what is no number.
PLACES = (0, 1e-45, 1e-38, 1e-20, 1e-6, 0.17, 0.35, 1, 19.9, 20.1, 43.9, 44.5, 63.5, 87.3, 87.9)
BEYOND = (88.1, 88.4, 88.7, 88.9, 89.1, 104, 1e10, 3.4e38, np.inf, np.nan)
EXTREMES = np.array([*PLACES, *BEYOND], dtype=np.float32)
EXTREMES = np.concatenate([EXTREMES, -EXTREMES])

pytestmark = pytest.mark.usefixtures("one_thread")


def step(
    gates: Tensor,
    cells: Tensor,
    clip: float | None,
    offset: int = 0,
    gap: int = 0,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cells and outputs, and nothing beside them is written."""
    bias = torch.zeros(gates.shape[1]) if bias is None else bias
    gates = inside(gates, offset, gap)
    cell = inside(cells, offset + 1, gap)
    out = inside(cells.to(gates.dtype), offset + 2, gap)
    lstm_cell(gates.dtype, torch.float32, CPU)(gates, bias, cell, out, clip)
    answers = cell.clone(), out.clone()
    assert_nothing_beside_is_written(cell, out)
    return answers


def run(
    gates: Array, cells: Array, clip: float | None, offset: int = 0, gap: int = 0
) -> tuple[Array, Array]:
    """The same for arrays of float32."""
    cell, out = step(torch.from_numpy(gates), torch.from_numpy(cells), clip, offset, gap)
    return cell.numpy(), out.numpy()


def assert_close(
    answers: tuple[Array, Array], gates: Array, cells: Array, clip: float | None
) -> None:
    cell, out = answers
    # The cell is a sum that includes the cell before: its error is relative to that.
    size = np.maximum(1, np.abs(np.nan_to_num(cells, posinf=1, neginf=1)))
    assert_near(cell, cells_after(gates, cells, clip), 5e-7 * size)
    assert_near(out, outputs(gates, cell), np.full_like(size, 2.5e-7))


def assert_near(answer: Array, right: Array, tolerance: Array) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = right.astype(np.float32)
        finite = np.isfinite(rounded)
        np.testing.assert_array_equal(answer[~finite], rounded[~finite])
        assert (np.abs(answer - right) <= tolerance)[finite].all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n_rows=st.integers(0, 70),
    n_cells=st.integers(0, 70),
    clip=st.sampled_from(CLIPS),
    offset=st.integers(0, 17),
    gap=st.integers(0, 40),
    size=st.sampled_from([1e-3, 1.0, 10.0]),
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
    rng = np.random.default_rng(seed)
    gates = rng.normal(scale=size, size=(n_rows, 4 * n_cells)).astype(np.float32)
    cells = rng.normal(size=(n_rows, n_cells)).astype(np.float32)
    answers = run(gates, cells, clip, offset, gap)
    assert_close(answers, gates, cells, clip)
    if clip is not None:
        assert np.abs(answers[0]).max(initial=0) <= np.float32(clip)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n_rows=st.integers(0, 70),
    n_cells=st.integers(0, 70),
    half=st.booleans(),
    offset=st.integers(0, 17),
    seed=st.integers(0, 2**16),
)
def test_the_bias_is_added_in_float32(
    choice: str, n_rows: int, n_cells: int, half: bool, offset: int, seed: int
) -> None:
    dtype = torch.bfloat16 if half else torch.float32
    generator = torch.Generator().manual_seed(seed)
    products = torch.randn(n_rows, 4 * n_cells, generator=generator).to(dtype)
    cells, bias = (torch.randn(n, generator=generator) for n in ((n_rows, n_cells), 4 * n_cells))
    answers = step(products, cells, None, offset, bias=bias)
    expected = step(products.float() + bias, cells, None)
    for answer, right in zip(answers, expected, strict=True):
        assert torch.equal(answer, right.to(answer.dtype))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n_cells=st.integers(1, 70), clip=st.sampled_from(CLIPS), seed=st.integers(0, 2**16))
def test_extremes(choice: str, n_cells: int, clip: float | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gates, cells = (rng.choice(EXTREMES, size=(9, n)) for n in (4 * n_cells, n_cells))
    forget = gates[:, n_cells : 2 * n_cells]
    # An infinite cell times a gate that float32 rounds to zero is not a question of the kernel.
    cells[np.isinf(cells) & np.isfinite(forget) & (forget < -87)] = 1
    assert_close(run(gates, cells, clip), gates, cells, clip)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n_rows=st.integers(0, 70),
    n_cells=st.integers(0, 70),
    clip=st.sampled_from(CLIPS),
    offset=st.integers(0, 17),
    gap=st.integers(0, 40),
    extreme=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_bfloat16_is_float32_rounded_at_the_ends(
    choice: str,
    n_rows: int,
    n_cells: int,
    clip: float | None,
    offset: int,
    gap: int,
    extreme: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    gates, cells = (
        (rng.choice(EXTREMES, size=size) if extreme else rng.normal(size=size)).astype(np.float32)
        for size in ((n_rows, 4 * n_cells), (n_rows, n_cells))
    )
    narrow, cell = torch.from_numpy(gates).bfloat16(), torch.from_numpy(cells)
    answers = step(narrow, cell, clip, offset, gap)
    expected_cell, expected_out = step(narrow.float(), cell, clip)
    assert answers[1].dtype == torch.bfloat16
    for answer, right in zip(answers, (expected_cell, expected_out.bfloat16()), strict=True):
        np.testing.assert_array_equal(answer.float().numpy(), right.float().numpy())


def test_every_bfloat16_is_read_and_written(choice: str) -> None:
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)[None]
    zero, large = torch.zeros_like(every), torch.full_like(every, 100.0)
    cell, _ = step(torch.cat([zero, large, zero, zero], 1), every.float(), None)
    finite = every.isfinite()
    assert torch.equal(cell[finite], every.float()[finite])
    gates = torch.cat([large, zero, large, every], 1)
    _, out = step(gates, zero.float(), None)
    right = every.double().tanh().tanh()
    assert torch.equal(out.isnan(), every.isnan())
    close = (out.double() - right).abs() <= right.abs() * 2**-8 + 1e-30
    assert close[~every.isnan()].all()


def test_every_finite_gate_alone(choice: str) -> None:
    values = np.linspace(-120, 120, 24_001, dtype=np.float32)[None]
    zero, one = np.zeros_like(values), np.ones_like(values)
    for place in range(4):
        gates = [one, one, one, one]
        gates[place] = values
        assert_close(run(np.hstack(gates), zero, None), np.hstack(gates), zero, None)
        assert_close(run(np.hstack(gates), one, None), np.hstack(gates), one, None)


def test_small_values_keep_their_digits(choice: str) -> None:
    """An untrained network's activations are small: an error is relative to them."""
    values = np.geomspace(1e-30, 0.5, 5_000).astype(np.float32)[None]
    values = np.hstack([values, -values])
    zero = np.zeros_like(values)
    gates = np.hstack([zero, zero, zero, values])
    cell, out = run(gates, zero, None)
    for answer, right in ((cell, cells_after(gates, zero, None)), (out, outputs(gates, cell))):
        assert (np.abs(answer - right) / np.abs(right)).max() < 6e-7


@pytest.mark.parametrize("place", range(5), ids=["i", "f", "o", "g", "cell"])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_nan_stays_where_it_is(choice: str, place: int, clip: float | None) -> None:
    n_cells = 67
    for column in range(n_cells):
        gates = np.ones((1, 4 * n_cells), dtype=np.float32)
        cells = np.ones((1, n_cells), dtype=np.float32)
        (cells if place == 4 else gates)[0, column + (place % 4) * n_cells] = np.nan
        cell, out = run(gates, cells, clip)
        assert list(np.flatnonzero(np.isnan(out))) == [column]
        assert list(np.flatnonzero(np.isnan(cell))) == ([] if place == 2 else [column])


@pytest.mark.parametrize("clip", [0.1, 0.3, 3.0, 1 / 3])
def test_clips_are_exact(choice: str, clip: float) -> None:
    cells = np.array([[9.0, -9.0] * 35], dtype=np.float32)
    gates = np.full((1, 280), 5.0, dtype=np.float32)
    cell, _ = run(gates, cells, clip)
    np.testing.assert_array_equal(cell, np.sign(cells) * np.float32(clip))


def test_a_row_does_not_depend_on_its_neighbours(choice: str) -> None:
    if choice == loader.OFF:
        pytest.skip("PyTorch's operations give no such promise")
    rng = np.random.default_rng(0)
    gates = rng.normal(size=(33, 4 * 37)).astype(np.float32)
    cells = rng.normal(size=(33, 37)).astype(np.float32)
    together = run(gates, cells, None)
    for row in range(33):
        alone = run(gates[row : row + 1], cells[row : row + 1], None, offset=row % 17)
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a[0], b[row])


def test_many_threads(choice: str) -> None:
    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        gates = rng.normal(size=(40, 400)).astype(np.float32)
        cells = rng.normal(size=(40, 100)).astype(np.float32)
        for _ in range(5):
            assert_close(run(gates, cells, 0.5), gates, cells, 0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))


def _in_child(choice: str) -> float:
    assert loader.in_use() == (None if choice == loader.OFF else choice)
    gates, cells, out = torch.ones(3, 28), torch.ones(3, 7), torch.empty(3, 7)
    lstm_cell(torch.float32, torch.float32, CPU)(gates, torch.zeros(28), cells, out, None)
    return float(out[2, 6])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_forked_children(choice: str) -> None:
    here = _in_child(choice)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert isinstance(pool, Pool)
        assert pool.map(_in_child, [choice] * 4) == [here] * 4


@pytest.mark.parametrize("name", loader.offered())
def test_the_kernel_only_does_what_it_can(name: str) -> None:
    with loader.use(name):
        for gates in (torch.float32, torch.bfloat16):
            assert lstm_cell(gates, torch.float32, CPU) is not by_pytorch
            assert lstm_cell(gates, torch.float64, CPU) is by_pytorch
            assert lstm_cell(gates, torch.float32, torch.device("cuda")) is by_pytorch
        for gates in (torch.float16, torch.float64):
            assert lstm_cell(gates, torch.float32, CPU) is by_pytorch
        compute = lstm_cell(torch.float32, torch.float32, CPU)
    good = torch.ones(2, 12), torch.ones(12), torch.ones(2, 3), torch.ones(2, 3)
    compute(*good, math.inf)
    with pytest.raises(AssertionError):
        compute(good[0], torch.ones(11), *good[2:], None)
    bad = torch.ones(12, 2).t(), torch.ones(2, 11), torch.ones(2, 12, dtype=torch.float64)
    for tensor in bad:
        with pytest.raises(AssertionError):
            compute(tensor, *good[1:], None)
