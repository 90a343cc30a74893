"""The commands about word senses, from weights to the file of figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation import coarsewsd, random_pairs, wic
from tests.evaluation.made_up import SMOKE


def test_commands_report(
    wic_folder: Path,
    wsd_folder: Path,
    weights: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, out = [SMOKE / "text.txt"], tmp_path / "new" / "figures.json"
    common: dict[str, Any] = {"initial_state": None, "text": text, "json": out}
    wic.main(weights, wic_folder, words=200, **common)
    figures = json.loads(out.read_text())
    assert len(figures["values"]) == 10
    assert all(0 <= row["dev"] <= 1 for row in figures["values"])
    coarsewsd.main(weights, wsd_folder, words=200, **common)
    (first, *_) = json.loads(out.read_text())["values"]
    assert first["macro"] == first["words"]["bank"] == 0.5
    random_pairs.main(weights, pairs=50, seed=0, words=1500, **common)
    rows = json.loads(out.read_text())["values"]
    assert all(-1 <= row["mean"] <= 1 for row in rows)
    raw, centred = (
        next(r["mean"] for r in rows if r["layer"] == "average" and r["centred"] == c)
        for c in (False, True)
    )
    assert abs(centred) < abs(raw)
    printed = capsys.readouterr().out
    assert printed.count("| token layer |") == 6
