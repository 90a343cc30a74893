"""Vectors that know no context, beside those that do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation import contexts
from evaluation.readers import Marked
from tests.evaluation.made_up import SMOKE


def test_static_vectors_know_no_context(tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    encode = contexts.StaticVectors([SMOKE / "text.txt"], 1300, epochs=1)
    marked = [Marked(["the", "sun"], 0), Marked(["On", "the", "sea"], 1), Marked(["qwxz"], 0)]
    (vectors,) = encode(marked).values()
    assert np.array_equal(vectors[0], vectors[1])
    assert vectors[0].any()
    assert not vectors[2].any()
