"""What follows a step's projection, in every instruction set of this machine and by PyTorch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_elmo.bilm.kernels import loader
from spacy_elmo.bilm.kernels.lstm_output import by_pytorch, lstm_output
from tests.bilm.kernels.memory import MARK, inside

CPU = torch.device("cpu")
SPECIAL = np.array([0, -0.0, 1e-45, 1e-38, 0.3, 1, 3.4e38, np.inf, -np.inf, np.nan], np.float32)

pytestmark = pytest.mark.usefixtures("one_thread")


class Step(NamedTuple):
    """What a step is given."""

    values: Tensor
    joined: Tensor
    inputs: Tensor
    out: Tensor
    rows: Tensor


def a_step(
    n_rows: int, n_next: int, width: int, dtype: torch.dtype, seed: int, offset: int, gap: int
) -> Step:
    """Random values, some of them special, in memory that is not aligned."""
    rng = np.random.default_rng(seed)
    n_tokens = n_rows + n_next

    def values(n: int, m: int, dtype: torch.dtype) -> Tensor:
        drawn = rng.normal(size=(n, m)).astype(np.float32)
        special = rng.random((n, m)) < 0.1
        drawn[special] = rng.choice(SPECIAL, special.sum())
        return inside(torch.from_numpy(drawn).to(dtype), offset, gap)

    return Step(
        values(n_rows, width, dtype),
        values(max(n_rows, n_next), 2 * width, dtype),
        values(n_tokens, width, torch.float32),
        values(n_tokens, width, torch.float32),
        torch.from_numpy(rng.permutation(n_tokens)),
    )


def around(tensor: Tensor) -> Tensor:
    """All of the memory that a tensor is a part of."""
    return torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).clone()


def equal(answer: Tensor, right: Tensor) -> None:
    np.testing.assert_array_equal(answer.float().numpy(), right.float().numpy())


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    n_rows=st.integers(0, 40),
    n_next=st.integers(0, 40),
    width=st.integers(0, 70),
    half=st.booleans(),
    clip=st.sampled_from([None, 0.0, 0.3, 1 / 3]),
    add_inputs=st.booleans(),
    offset=st.integers(0, 17),
    gap=st.integers(0, 9),
    seed=st.integers(0, 2**16),
)
def test_states_inputs_and_outputs(
    choice: str,
    n_rows: int,
    n_next: int,
    width: int,
    half: bool,
    clip: float | None,
    add_inputs: bool,
    offset: int,
    gap: int,
    seed: int,
) -> None:
    dtype = torch.bfloat16 if half else torch.float32
    step = a_step(n_rows, n_next, width, dtype, seed, offset, gap)
    joined, out = step.joined.clone(), step.out.clone()
    before = [around(tensor) for tensor in step]
    lstm_output(dtype, torch.float32, CPU)(*step, clip, add_inputs)

    here, after = step.rows[:n_rows], step.rows[n_rows:]
    states = step.values.float()
    if clip is not None:
        bound = torch.tensor(clip)
        states = torch.where(states < -bound, -bound, torch.where(states > bound, bound, states))
    states = states.to(dtype)
    joined[:n_rows, width:] = states
    joined[:n_next, :width] = step.inputs[after].to(dtype)
    out[here] = states.float() + step.inputs[here] if add_inputs else states.float()
    equal(step.joined, joined)
    equal(step.out, out)
    # What is read, and the memory around what is written, stays as it was.
    step.joined.fill_(MARK), step.out.fill_(MARK)
    for tensor, was in zip(step, before, strict=True):
        if tensor is step.joined or tensor is step.out:
            assert (around(tensor) == MARK).all()
        else:
            np.testing.assert_array_equal(around(tensor).float().numpy(), was.float().numpy())


@pytest.mark.parametrize("name", loader.offered())
def test_the_kernel_only_does_what_it_can(name: str) -> None:
    with loader.use(name):
        for states in (torch.float32, torch.bfloat16):
            assert lstm_output(states, torch.float32, CPU) is not by_pytorch
            assert lstm_output(states, torch.float64, CPU) is by_pytorch
            assert lstm_output(states, torch.float32, torch.device("cuda")) is by_pytorch
        assert lstm_output(torch.float16, torch.float32, CPU) is by_pytorch
        compute = lstm_output(torch.float32, torch.float32, CPU)
    good = Step(*(torch.ones(3, n) for n in (4, 8, 4, 4)), torch.arange(3))
    compute(*good, None, True)
    for bad in (
        good._replace(joined=torch.ones(3, 7)),
        good._replace(joined=torch.ones(2, 8)),
        good._replace(out=torch.ones(2, 4)),
        good._replace(rows=torch.arange(2)),
        good._replace(rows=torch.arange(3).int()),
        good._replace(values=torch.ones(4, 3).t()),
    ):
        with pytest.raises(AssertionError):
            compute(*bad, None, True)
