"""The processes that measure two packages in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

import spacy_elmo
from benchmarks import earlier, side

TEXT = """# text = They sat on the bank.
1\tThey\t_\t_\tPRP
2\tsat\t_\t_\tVBD
3\ton\t_\t_\tIN
4\tthe\t_\t_\tDT
5\tbank\t_\t_\tNN
6\t.\t_\t_\t.

"""


def test_a_side_measures_with_the_package_it_finds(tmp_path: Path) -> None:
    for name in side.FILES:
        (tmp_path / name).write_text(TEXT, encoding="utf8")
    process = earlier.Side(None, {"text": str(tmp_path), "weights": "en_elmo_sm"})
    try:
        assert Path(process.package).samefile(spacy_elmo.__file__)
        assert process.measure("encode", size="512/128", precision="float32", n_sentences=2) > 0
        short = {"size": "8/4", "precision": "float32", "repetitions": 2}
        assert process.measure("short_text", **short) > 0
        sizes = {"cells": 8, "projection": 4, "rows": 1, "negatives": 8, "precision": "float32"}
        assert process.measure("train", **sizes) > 0
    finally:
        process.close()


def test_no_such_commit() -> None:
    with pytest.raises(SystemExit, match="commit 0123456789 is not to be had"):
        earlier.install("0123456789")
