"""The training window against the layer of the network, and the fused one against both."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.pretraining.step.recurrence import run_window, run_window_fused

STEPS, ROWS, CELLS, WIDTH = 7, 5, 12, 6


def _case(projection: bool, clips: tuple[float | None, float | None]) -> tuple[LSTMLayer, Tensor]:
    torch.manual_seed(0)
    width = WIDTH if projection else CELLS
    layer = LSTMLayer(
        CELLS, width, projection=projection, cell_clip=clips[0], proj_clip=clips[1]
    ).double()
    layer.reset_parameters()
    torch.nn.init.normal_(layer.weight, 0.0, 0.8)
    torch.nn.init.normal_(layer.bias, 0.0, 0.5)
    return layer, torch.randn(STEPS, ROWS, width, dtype=torch.float64)


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("clips", [(None, None), (0.4, 0.2), (0.3, None)])
def test_values_and_gradients_are_those_of_the_network(
    projection: bool, clips: tuple[float | None, float | None]
) -> None:
    layer, inputs = _case(projection, clips)
    width = inputs.shape[2]
    h, c = torch.randn(ROWS, width).double(), torch.randn(ROWS, CELLS).double()
    probe = torch.randn(STEPS, ROWS, width, dtype=torch.float64)

    inputs.requires_grad_()
    expected, last_h, last_c = layer(inputs.reshape(-1, width), [ROWS] * STEPS, h, c)
    expected = expected.view(STEPS, ROWS, width)
    wanted = [inputs, *layer.parameters()]
    expected_gradients = torch.autograd.grad((expected * probe).sum(), wanted)

    outputs, window_h, window_c = run_window(
        inputs.transpose(1, 2),
        h.t(),
        c.t(),
        layer.weight,
        layer.working_bias(),
        layer.projection,
        layer.cell_clip,
        layer.proj_clip,
    )
    outputs = outputs.transpose(1, 2)
    gradients = torch.autograd.grad((outputs * probe).sum(), wanted)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(window_h.t(), last_h, rtol=0, atol=1e-12)
    torch.testing.assert_close(window_c.t(), last_c, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients, expected_gradients, rtol=0, atol=1e-10)


@pytest.mark.parametrize("projection", [True, False])
def test_fused_window_is_the_same(projection: bool) -> None:
    layer, inputs = _case(projection, (None, None))
    width = inputs.shape[2]
    h, c = torch.randn(width, ROWS).double(), torch.randn(CELLS, ROWS).double()
    arguments = (
        inputs.transpose(1, 2).requires_grad_(),
        h,
        c,
        layer.weight,
        layer.working_bias(),
        layer.projection,
    )
    probe = torch.randn(STEPS, width, ROWS, dtype=torch.float64)
    wanted = [arguments[0], *layer.parameters()]
    results = [run_window(*arguments), run_window_fused(*arguments)]
    gradients = [torch.autograd.grad((outputs * probe).sum(), wanted) for outputs, _, _ in results]
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-10)


def test_bfloat16_stays_near() -> None:
    layer, inputs = _case(True, (3.0, 3.0))
    arguments = [
        inputs.transpose(1, 2).float(),
        torch.zeros(WIDTH, ROWS),
        torch.zeros(CELLS, ROWS),
        layer.weight.detach().float(),
        layer.working_bias().detach().float(),
        layer.projection.detach().float(),
    ]
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        cast = [
            tensor if n in (1, 2) else tensor.to(dtype).requires_grad_()
            for n, tensor in enumerate(arguments)
        ]
        outputs, _, cells = run_window(*cast, 3.0, 3.0)
        assert outputs.dtype == dtype
        assert cells.dtype == torch.float32
        gradients = torch.autograd.grad(outputs.float().sum(), [cast[0], cast[3], cast[5]])
        results.append([tensor.float() for tensor in (outputs, cells, *gradients)])
    for full, half in zip(*results, strict=True):
        assert (half - full).norm() < 0.03 * full.norm()
