"""This package against an earlier commit of it, in one run, request by request in turn."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import torch

from benchmarks.earlier import COMMIT, Side, install
from benchmarks.report import Report
from spacy_elmo.bilm.precision import has_matrix_units

PACKAGED = "en_elmo_sm"
STREAM_TOKENS = 200_000
# Cells, projection, rows and sampled words of the trainings.
TRAININGS = {
    "512/128": {"cells": 512, "projection": 128, "rows": 128, "negatives": 2048},
    "512/256": {"cells": 512, "projection": 256, "rows": 256, "negatives": 3072},
    "1024/256": {"cells": 1024, "projection": 256, "rows": 128, "negatives": 8192},
}
# Sentences per pass, and what the ratios are held to: with matrix units for bfloat16, and without.
ENCODE = {
    "512/128": (2000, ("at least 1.3x", "at least 1.1x"), "at least 2.6x"),
    "1024/128": (1000, ("at least 1.2x", "at least 1.05x"), "at least 2.4x"),
    "4096/512": (150, ("at least 1.1x", "at least 1.0x"), "at least 4x"),
}


def measure(report: Report, text: Path, n_rounds: int) -> None:
    """Rows that are ratios. n_rounds: Measurements of each figure; the median of each counts."""
    site = install()
    units = has_matrix_units(torch.device("cpu"))
    fast = "bfloat16" if units else "float32"
    settings = {"text": str(text.resolve()), "weights": PACKAGED}
    now, before = Side(None, settings), Side(site, settings)
    report.progress(f"{now.package} against {before.package}")
    rows = _Rows(report, now, before, n_rounds)
    for size, (n_sentences, float_aims, fast_aim) in ENCODE.items():
        encode: dict[str, Any] = {"what": "encode", "size": size, "n_sentences": n_sentences}
        full = {**encode, "precision": "float32"}
        half = {**encode, "precision": "bfloat16"}
        rows.ratio(f"`encode`, float32, {size}", full, full, float_aims[not units])
        rows.ratio(f"`encode`, bfloat16, {size}", half, full, fast_aim if units else "")
    pipe = {"what": "pipe", "precision": fast, "n_texts": 2000}
    rows.share(f"`nlp.pipe` against `encode`, {PACKAGED}, {fast}", pipe, units)
    short = {"what": "short_text", "size": "512/128", "repetitions": 100}
    rows.times(
        "one short text, warm, 512/128",
        {**short, "precision": fast},
        {**short, "precision": "float32"},
    )
    for size, sizes in TRAININGS.items():
        step = {"what": "train", **sizes}
        aim = (
            ("at least 2x" if size == "512/128" else "at least 2.4x") if units else "at least 1.5x"
        )
        rows.ratio(
            f"training step, {fast}, {size}",
            {**step, "precision": fast},
            {**step, "precision": "float32"},
            aim,
        )
    now.close(), before.close()
    _memory(report, site, settings)


class _Rows:
    def __init__(self, report: Report, now: Side, before: Side, n_rounds: int) -> None:
        self.report = report
        self.now = now
        self.before = before
        self.n_rounds = n_rounds

    def _medians(self, new: dict[str, Any], old: dict[str, Any]) -> tuple[float, float]:
        figures = [
            (self.now.measure(**new), self.before.measure(**old)) for _ in range(self.n_rounds)
        ]
        mine, theirs = zip(*figures, strict=True)
        return statistics.median(mine), statistics.median(theirs)

    def ratio(self, what: str, new: dict[str, Any], old: dict[str, Any], aim: str) -> None:
        """Of two rates, each by a request of its own: the earlier package answers in float32."""
        mine, theirs = self._medians(new, old)
        figure = f"{mine:,.0f} tokens/s against {theirs:,.0f} at {COMMIT}: {mine / theirs:.2f}x"
        self.report.add(what, figure, mine / theirs, aim)

    def share(self, what: str, request: dict[str, Any], units: bool) -> None:
        """Of this package, with the earlier one's beside it."""
        mine, theirs = self._medians(request, {**request, "precision": "float32"})
        aim = "at least 0.80" if units else "at least 0.85"
        self.report.add(what, f"{mine:.2f} ({theirs:.2f} at {COMMIT})", mine, aim)

    def times(self, what: str, new: dict[str, Any], old: dict[str, Any]) -> None:
        """Of two times in milliseconds."""
        mine, theirs = self._medians(new, old)
        figure = f"{mine:.2f} ms against {theirs:.2f} at {COMMIT}: {mine / theirs:.2f} of the time"
        self.report.add(what, figure, mine / theirs, "at most 0.7")


def _memory(report: Report, site: Path, settings: dict[str, Any]) -> None:
    """Each figure in two new processes: what a process used once stays its peak."""
    training = {"what": "training_memory", **TRAININGS["512/256"], "precision": "float32"}
    stream = {"what": "stream_memory", "n_tokens": STREAM_TOKENS}
    for what, request in (("`stream`, 1024/128", stream), ("training, 512/256", training)):
        figures = []
        for where in (None, site):
            side = Side(where, settings)
            figures.append(side.measure(**request))
            side.close()
        mine, theirs = figures
        report.add(
            f"peak memory of {what}",
            f"{mine:.0f} MiB against {theirs:.0f} at {COMMIT}: {mine / theirs:.2f}x",
            mine / theirs,
            "at most 1.1x",
        )
