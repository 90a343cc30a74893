"""What a training tells: log, bar or lines, picture."""

from __future__ import annotations

import io
import itertools
import json
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spacy_elmo.pretraining.perplexity.exact import Perplexity
from spacy_elmo.pretraining.report.log import Log, read_log
from spacy_elmo.pretraining.report.plot import curves, draw
from spacy_elmo.pretraining.report.progress import Progress
from spacy_elmo.pretraining.run.events import (
    Advanced,
    CheckpointWritten,
    Measured,
    Message,
    Phase,
    RolledBack,
    Started,
    Step,
    Stopped,
    Written,
)

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


@pytest.mark.parametrize(
    "found",
    [
        (325.0, 440.0),
        (340.0,),
        (1.0, 1.0),
        (1.0, 1.2),
        (3.0, 4.0),
        (5.2, 9.7),
        (1.5, 1e9),
        (2.0, float("inf")),
        (99.0, 101.0),
        (123456.0, 234567.0),
    ],
)
def test_there_are_always_some_ticks_and_never_many(found: tuple[float, ...]) -> None:
    entries = [{"step": k, "tokens": k, "heldout": [value]} for k, value in enumerate(found)]
    root = ElementTree.fromstring(draw(entries, "x"))
    texts = [e for e in root.iter(f"{SVG}text") if e.get("text-anchor") == "end"]
    heights = [float(e.get("y", "")) for e in texts]
    assert 2 <= len(heights) <= 11
    assert heights == sorted(set(heights), reverse=True)
    assert min(a - b for a, b in itertools.pairwise(heights)) > 12  # the font's size
    assert all(40 <= height <= 380 for height in heights)
    numbers = [float(e.text or "") for e in texts]
    assert numbers == sorted(set(numbers))
    along = [e for e in root.iter(f"{SVG}text") if e.get("text-anchor") == "middle"]
    assert len(along) >= 3


def test_a_single_point_shows() -> None:
    for tokens in (0, 300):  # before the first step, and after the last
        root = ElementTree.fromstring(
            draw([{"step": 1, "tokens": tokens, "heldout": [9.0, 9.5]}], "x")
        )
        points = list(root.iter(f"{SVG}circle"))
        # Of each held-out curve: the point, and its mark in the legend.
        assert [point.get("class") for point in points] == ["dot2", "dot2", "dot3", "dot3"]
        assert all(64 <= float(point.get("cx", "")) <= 700 for point in points)
    assert len(list(ElementTree.fromstring(draw(ENTRIES, "x")).iter(f"{SVG}circle"))) == 4


def test_the_picture_can_be_read_on_any_page_and_without_eyes() -> None:
    entries = [*ENTRIES, {"step": 20, "tokens": 400, "heldout": [80.0, 85.0]}]
    for theme in ("auto", "light", "dark"):
        text = draw(entries, "a <model>\x00", theme=theme, note="cut & short")
        root = ElementTree.fromstring(text)
        assert root.find(f"{SVG}title").text == "a <model>\ufffd"
        assert "held-out, forward: from 90 to 80" in root.find(f"{SVG}desc").text
        assert [rect.get("class") for rect in root.iter(f"{SVG}rect")] == ["paper"]
        assert ("prefers-color-scheme:dark" in text) == (theme == "auto")
        assert "cut &amp; short" in text


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
    log = Log(path)
    log(Started(10, 200, True))
    assert read_log(path) == ENTRIES[:3]
    log.write({"step": 11, "tokens": 220})
    assert [entry["step"] for entry in read_log(path)] == [5, 10, 10, 11]


def test_lines_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    step = Step(7, 3_000, 60.0, 0.25, 0.01, (1.0, 3.0), 2.5, 1_000.4)
    progress = Progress(seconds=0.0)
    progress(Measured(5, 2_000, 40.0, Perplexity((99.0, 99.0), 10, 1)))
    progress(step)
    Progress(seconds=1000.0)(step)  # too soon for another line
    progress(CheckpointWritten(7, Path("step-7")))  # not worth a line
    measured, line = capsys.readouterr().err.splitlines()
    assert measured.startswith("step 5, 2,000 tokens: held-out perplexity 99.0 (forward 99.0")
    assert " ".join(line.split()) == (
        "25.00% step 7 tokens 3,000 tokens/s 1,000 perplexity (sampled) 7.4 held-out 99.0 "
        "left 0:03:00"
    )


def test_lines_of_a_short_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first line soon, one time left and from the budget, the end at 100 %, then each phase."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress()
    progress(Started(0, 0, False))
    for seconds in range(1, 16):
        now[0] += 1
        progress(Advanced(seconds, 10 * seconds, float(seconds), seconds / 15.2))
    progress(Advanced(16, 160, 15.2, 1.0))
    for phase in ("perplexity on held-out text", "mean vector"):
        progress(Phase(phase))
    lines = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "Training begins",
        "13.16% step 2 tokens 20 left 0:00:13",
        "100.00% step 16 tokens 160 left 0:00:00",
        "Last phases: perplexity on held-out text",
        "Last phases: mean vector",
    ]


def test_the_bar_of_a_short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves before the first losses are known, ends at 100 %, and an error comes after it."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def drawn() -> str:
        return terminal.getvalue().rpartition("\r")[2].strip()

    def train(share: float) -> None:
        with Progress() as progress:
            progress(Started(0, 0, False))
            now[0] += 3
            progress(Advanced(9, 100, 3.0, 0.2))
            assert drawn().startswith("20%|")
            assert drawn().count("left=0:00:12") == 1
            progress(Advanced(20, 200, 15.0 * share, share))
            if share < 1.0:
                raise OSError("full")
            progress(Phase("mean vector"))

    train(1.0)
    assert "100%|" in terminal.getvalue()
    with pytest.raises(OSError, match="full"):
        train(0.5)
    assert terminal.getvalue().endswith("\n")  # an error begins a line of its own


def test_every_event_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    events = {
        Started(0, 0, False): "Training begins",
        Started(7, 3_000, True, 0.25): "Going on from step 7, 3,000 tokens, 25% of the budget",
        Started(8, 3_000, True, 1.0): "The budget is used up at step 8, 3,000 tokens: nothing is",
        RolledBack(9, 7, 0.5): "step 9: back to step 7, and on from there with 0.5 times",
        Phase("mean vector"): "mean vector",
        Measured(7, 3_000, 1.0, Perplexity((4.0,), 10, 1), "warm"): "from the warm state",
        Message("a line"): "a line",
        Stopped(8): "Stopped at step 8: run the same command to go on",
        Written(Path("model")): "Wrote model",
    }
    for event, told in events.items():
        progress(event)
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == bool(told)
        assert told in "".join(lines)


def test_what_is_measured_again_is_logged_once(tmp_path: Path) -> None:
    """As by a run that was killed in its last phases and goes on there."""
    path = tmp_path / "log.jsonl"
    measured = Measured(5, 100, 2.0, Perplexity((9.0, 9.5), 10, 1))
    for _ in range(2):
        log = Log(path)
        log(Started(5, 100, True))
        log(measured)
        log(Measured(5, 100, 2.0, Perplexity((7.0, 7.5), 10, 1), "zero"))  # for the card only
    assert [entry["heldout"] for entry in read_log(path)] == [[9.0, 9.5]]
