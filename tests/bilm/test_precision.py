"""What a name of a precision means, and how far bfloat16 is from float32 on real text."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spacy_elmo import BiLM
from spacy_elmo.bilm import precision
from spacy_elmo.bilm.precision import dtype_of, has_matrix_units

CPU = torch.device("cpu")
TEXT = """They sat on the river bank . The bank raised its rates . She opened an account at the
bank in her first week at work . Cattle came down to the bank to drink from the water . He asked the
bank for a loan to buy the house . A dark bank of clouds rose in the west before the storm . You can
bank on him to be there on time . It rains ."""


def test_names() -> None:
    for name in ("float32", "bfloat16", "float16"):
        assert dtype_of(name, CPU) is getattr(torch, name)
    with pytest.raises(ValueError, match="precision is 'half': expected one of float32"):
        dtype_of("half", CPU)


@pytest.mark.parametrize(("units", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto(units: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_matrix_units", lambda device: units)
    assert dtype_of("auto", CPU) is dtype


def test_what_the_processor_offers() -> None:
    try:
        with open("/proc/cpuinfo", encoding="utf8") as lines:  # noqa: PTH123
            offered = " amx_bf16" in lines.read()
    except OSError:
        pytest.skip("this system has no /proc/cpuinfo to compare with")
    assert not has_matrix_units(CPU) or offered


def test_bfloat16_is_near_float32() -> None:
    """In a sentence 5e-3 of the norm, in a similarity 0.01: what the docs promise."""
    lm = BiLM.from_pretrained("en_elmo_sm")
    sentences = [f"{words} .".split() for words in TEXT.split(" .")[:-1]]
    exact = lm.encode(sentences)
    lm.compute_dtype = torch.bfloat16
    near = lm.encode(sentences)
    for one, other in zip(exact, near, strict=True):
        for layer, computed in zip(one, other, strict=True):
            assert np.linalg.norm(layer - computed) < 5e-3 * np.linalg.norm(layer)
    cosines = [_cosines(np.concatenate([each.mean(axis=0) for each in x])) for x in (exact, near)]
    assert not np.array_equal(*cosines)
    assert np.abs(cosines[0] - cosines[1]).max() < 0.01


def _cosines(rows: np.ndarray) -> np.ndarray:
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T
