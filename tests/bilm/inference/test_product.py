"""Products with weights that stay: the right values, and the way that is meant for a processor."""

from __future__ import annotations

import pytest
import torch

from spacy_elmo.bilm.inference import product as products
from spacy_elmo.bilm.inference.product import is_laid_out, product
from spacy_elmo.bilm.precision import has_matrix_units

CPU = torch.device("cpu")


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_same_as_in_float64(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, many: bool
) -> None:
    if many:
        monkeypatch.setattr(products, "MANY_WEIGHTS", 0)
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(37, 19, generator=generator).to(dtype)
    compute = product(weight)
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
    assert torch.equal(product(half)(torch.ones(3, 2, dtype=torch.bfloat16), out), out)
    assert (out == 2).all()


def test_many_weights_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.ones(4, 2)

    def columns() -> torch.Tensor:
        found: torch.Tensor = product(weight).args[0]  # type: ignore[attr-defined]
        return found

    assert columns().data_ptr() != weight.data_ptr()
    monkeypatch.setattr(products, "MANY_WEIGHTS", 7)
    assert columns().data_ptr() == weight.data_ptr()
