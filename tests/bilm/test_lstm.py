"""The LSTM layer's own backward pass, against finite differences."""

import pytest
import torch
from torch.func import functional_call

from spacy_elmo.bilm.lstm import LSTMLayer


@pytest.mark.parametrize(
    "options",
    [{}, {"projection": False}, {"cell_clip": 0.3, "proj_clip": 0.2}, {"cell_clip": 0.3}],
)
def test_gradients(options: dict[str, float]) -> None:
    torch.manual_seed(1)
    width, cells = 3, (5 if options.get("projection", True) else 3)
    layer = LSTMLayer(cells, width, **options).double()  # type: ignore[arg-type]
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    names, parameters = zip(*layer.named_parameters(), strict=True)
    inputs, h, c = (
        torch.randn(n, size, dtype=torch.double, requires_grad=True)
        for n, size in ((6, width), (3, width), (3, cells))
    )

    def run(
        inputs: torch.Tensor, h: torch.Tensor, c: torch.Tensor, *values: torch.Tensor
    ) -> object:
        return functional_call(
            layer, dict(zip(names, values, strict=True)), (inputs, [3, 2, 1], h, c)
        )

    clipped = layer.cell_clip is not None
    with torch.no_grad():
        _, _, last = layer(inputs, [3, 2, 1], h, c)
    assert not clipped or (last.abs() == layer.cell_clip).any()  # the clip is at work
    assert torch.autograd.gradcheck(run, (inputs, h, c, *parameters))


def test_rows_that_end_keep_their_state() -> None:
    torch.manual_seed(2)
    layer = LSTMLayer(6, 4)
    layer.reset_parameters()
    inputs, h, c = torch.randn(4, 4), torch.randn(2, 4), torch.randn(2, 6)
    _, last_h, last_c = layer(inputs, [2, 1, 1], h, c)
    _, first_h, first_c = layer(inputs[:2], [2], h, c)
    torch.testing.assert_close(last_h[1], first_h[1])
    torch.testing.assert_close(last_c[1], first_c[1])
