"""Tables of rows: what is averaged, and what is told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import srsly

from evaluation import table as tables
from evaluation.table import comparison, error_reduction, mixes


def made_up(side: str, score: float, steps: int = 100, **more: Any) -> dict[str, Any]:
    """A row of a file of rows."""
    row = {"task": "ner", "side": side, "fraction": 0.1, "seed": 0, "steps": steps, "n_train": 339}
    row |= {"score": score, "words_per_second": 1000, "train_seconds": 1.0, "mixes": {}}
    if side == "elmo":
        row |= {"mix": "learned", "weights": "bilm@1a2b3c4d"}
        row["mixes"] = {"ner": {"layers": [0.5, 0.5], "gamma": 1.0}}
    return row | more


def test_other_steps_are_no_other_seed() -> None:
    rows = [made_up("tok2vec", 0.1), made_up("elmo", 0.2)]
    rows += [made_up("tok2vec", 0.3, steps=200), made_up("elmo", 0.4, steps=200)]
    rows += [made_up("elmo", 0.5, mix=mix) for mix in ("last", "average")]
    *_, longer, shorter = comparison(rows).splitlines()
    assert [cell.strip() for cell in longer.split("|")[3:7]] == ["200", "", "30.00", "40.00"]
    assert [cell.strip() for cell in shorter.split("|")[3:7]] == ["100", "", "10.00", "20.00"]
    *_, rule, only = mixes(rows).splitlines()
    assert set(rule) == {"|", "-"}
    assert [cell.strip() for cell in only.split("|")[3:7]] == ["100", "50.00", "50.00", "20.00"]


def test_tables_are_of_one_model_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of other weights are no other seeds; those of tok2vec belong to every table."""
    rows = [made_up("tok2vec", 0.1), made_up("elmo", 0.2), made_up("elmo", 0.3, weights="bilm@0")]
    srsly.write_json(tmp_path / "rows.json", rows)
    tables.main(tmp_path / "rows.json")
    first, second = capsys.readouterr().out.split("bilm@0: 2 rows")
    assert first.startswith("bilm@1a2b3c4d: 2 rows")
    assert ("| 20.00 |" in first, "| 30.00 |" in first) == (True, False)
    assert ("| 20.00 |" in second, "| 30.00 |" in second) == (False, True)
    assert first.count("| 10.00 ") == second.count("| 10.00 ") == 1


def test_other_widths_are_no_other_seed() -> None:
    wider = {"width": 256, "words_per_second": 500}
    rows = [made_up("tok2vec", 0.3, **wider), made_up("elmo", 0.4, **wider)]
    rows += [made_up("elmo", 0.2), made_up("tok2vec", 0.1), made_up("elmo", 0.5, width=64)]
    *_, own, wide = comparison(rows).splitlines()
    assert [cell.strip() for cell in own.split("|")[4:7]] == ["", "10.00", "20.00"]
    assert [cell.strip() for cell in wide.split("|")[4:7]] == ["256", "30.00", "40.00"]
    speeds = [line.split("|")[-2].strip() for line in (own, wide)]
    assert speeds == ["1,000 / 1,000", "500 / 500"]


def test_context_has_a_column_of_its_own() -> None:
    rows = [made_up("tok2vec", 0.5), made_up("elmo", 0.6), made_up("tok2vec", 0.5, steps=200)]
    rows += [
        made_up("elmo", 0.7, context=True, words_per_second=900),
        made_up("elmo", 0.6, steps=200),
    ]
    *_, longer, shorter = comparison(rows).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[5:-1]] for line in (longer, shorter)]
    assert cells[0] == ["50.00", "60.00", "+20 %", "", "", "1,000 / 1,000"]
    assert cells[1] == ["50.00", "60.00", "+20 %", "70.00", "+40 %", "1,000 / 1,000 / 900"]


def test_error_reduction() -> None:
    assert error_reduction(0.9, 0.92) == pytest.approx(0.2)
    assert error_reduction(0.9, 0.89) == pytest.approx(-0.1)
