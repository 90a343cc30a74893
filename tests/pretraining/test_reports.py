"""What a training tells: log, bar or lines, picture."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spacy_elmo.pretraining.report.plot import curves, draw
from spacy_elmo.pretraining.report.progress import Log, Progress, read_log

SVG = "{http://www.w3.org/2000/svg}"
ENTRIES = [
    {"step": 5, "tokens": 100, "loss": [5.0, 5.2]},
    {"step": 10, "tokens": 200, "loss": [4.0, 4.2]},
    {"step": 10, "tokens": 200, "heldout": [90.0, 95.0], "heldout_average": 92.5},
    {"step": 15, "tokens": 300, "loss": [3.0, 3.2]},
]


def test_the_picture_shows_every_curve() -> None:
    root = ElementTree.fromstring(draw(ENTRIES, "a <model>"))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts[0] == "a <model>"
    assert {"training, forward", "held-out, backward"} < set(texts)
    lines = [element.get("points", "").split() for element in root.iter(f"{SVG}polyline")]
    assert sorted(map(len, lines)) == [1, 1, 3, 3]
    heights = [float(point.split(",")[1]) for point in lines[0]]
    assert heights == sorted(heights)  # perplexity falls: down the picture
    numbers = [float(part) for line in lines for point in line for part in point.split(",")]
    assert min(numbers) > 0.0
    assert max(numbers) < 720.0


def test_a_picture_of_nothing_is_a_picture() -> None:
    assert not list(ElementTree.fromstring(draw([], "empty")).iter(f"{SVG}polyline"))


def test_curves_are_perplexities() -> None:
    found = curves(ENTRIES)
    assert found["held-out, backward"] == [(200, 95.0)]
    assert found["training, forward"][0] == (100, pytest.approx(148.413, abs=1e-3))


def test_a_resumed_log_forgets_what_came_later(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [json.dumps(entry) for entry in ENTRIES]
    path.write_text("\n".join(lines) + '\n{"step": 16, "tok', encoding="utf8")  # cut by a kill
    log = Log(path, 10)
    assert read_log(path) == ENTRIES[:3]
    log.write({"step": 11, "tokens": 220})
    assert [entry["step"] for entry in read_log(path)] == [5, 10, 10, 11]


def test_lines_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(seconds=0.0)
    progress.update(0.25, 7, {"tokens/s": "1,000", "held-out": "99.0"})
    Progress(seconds=1000.0).update(0.5, 8, {})  # too soon for another line
    Progress(shown=False).say("nothing")
    progress.close()
    told = capsys.readouterr().err
    assert " ".join(told.split()) == "25.00% step 7 tokens/s 1,000 held-out 99.0"
