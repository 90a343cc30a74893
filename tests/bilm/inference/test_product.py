"""Products with weights that stay: the right values, and the way that is meant for a processor."""

from __future__ import annotations

import pytest
import torch

from spacy_elmo.bilm.inference import lstm
from spacy_elmo.bilm.inference import product as products
from spacy_elmo.bilm.inference.lstm import FastLayer
from spacy_elmo.bilm.inference.product import is_laid_out, product
from spacy_elmo.bilm.lstm import LSTMLayer
from spacy_elmo.bilm.precision import has_matrix_units

CPU = torch.device("cpu")


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_same_as_in_float64(dtype: torch.dtype, copy: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(37, 19, generator=generator).to(dtype)
    compute = product(weight, copy=copy)
    for n_rows in (1, 2, 15, 16, 17, 64, 65):
        # As the engine gives them: the first rows of a larger matrix, and half of its columns.
        rows = torch.randn(70, 38, generator=generator).to(dtype)[:n_rows, 19:]
        answer = compute(rows, torch.empty(n_rows, 37, dtype=dtype))
        exact = rows.double() @ weight.double().t()
        assert answer.dtype == dtype
        error = (answer.double() - exact).abs().max()
        assert error <= 4 * torch.finfo(dtype).eps * exact.abs().max()


@pytest.mark.skipif(not has_matrix_units(CPU), reason="no matrix units for bfloat16 here")
def test_matrix_units_get_their_layout() -> None:
    assert is_laid_out(torch.ones(4, 2, dtype=torch.bfloat16))
    assert not is_laid_out(torch.ones(4, 2))


def test_other_processors_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    half = torch.ones(4, 2, dtype=torch.bfloat16)
    monkeypatch.setattr(products, "has_matrix_units", lambda device: False)
    assert not is_laid_out(half)
    monkeypatch.setattr(products, "has_matrix_units", lambda device: True)
    monkeypatch.setattr(torch.ops, "mkldnn", object())  # a PyTorch without these operations
    assert not is_laid_out(half)
    out = torch.empty(3, 4, dtype=torch.bfloat16)
    assert torch.equal(product(half, copy=True)(torch.ones(3, 2, dtype=torch.bfloat16), out), out)
    assert (out == 2).all()


def test_many_weights_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    def copies(layer: LSTMLayer) -> int:
        """Bytes of the products' matrices that are not the layer's own."""
        fast = FastLayer.of(layer, torch.float32)
        own = {weights.untyped_storage().data_ptr() for weights in layer.parameters()}
        found = {}
        for each in (fast.gates, fast.project, *(fast.halves or ())):
            storage = each.args[0].untyped_storage()  # type: ignore[union-attr]
            found[storage.data_ptr()] = storage.nbytes()
        return sum(size for place, size in found.items() if place not in own)

    layer = LSTMLayer(7, 5)
    assert copies(layer) == 4 * (28 * 10 + 7 * 5)
    # Neither all of them nor the halves, each of which would be few enough.
    monkeypatch.setattr(lstm, "MANY_WEIGHTS", 28 * 10 - 1)
    assert copies(layer) == 0
