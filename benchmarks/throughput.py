"""Tokens per second of `encode`, against the processor's peak and against the plain way."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measure import best_of, lstm_flops, peak_gflops, random_lm, seconds
from benchmarks.plain import PlainELMo
from benchmarks.report import Report
from benchmarks.text import Text

AIMS = {
    "1024/128": {"share": "at least 0.70", "plain": "at least 15x", "cold": "at least 0.6"},
    "4096/512": {"share": "at least 0.80", "plain": "at least 4x", "cold": ""},
}


def measure(report: Report, text: Text, size: str, n_sentences: int, n_plain: int) -> None:
    """Rows 1, 2 and 5: share of the peak, ratio to the plain way, first pass."""
    report.progress(f"encode at {size}, {n_sentences} sentences")
    lm = random_lm(size)
    sentences = text.sentences[:n_sentences]
    n_tokens = _count(sentences)
    peak = peak_gflops()
    lm.encode(sentences[:32])
    lm.weights_changed()
    cold = n_tokens / seconds(lambda: lm.encode(sentences))
    rate = n_tokens / best_of(5, lambda: lm.encode(sentences))
    peak = max(peak, peak_gflops())
    share = rate * lstm_flops(lm) / 1e9 / peak
    aims = AIMS[size]
    report.add(f"matrix-product peak beside {size}", f"{peak:.0f} GFLOP/s", peak)
    report.add(f"`encode`, {size}", f"{rate:,.0f} tokens/s", rate)
    report.add(f"share of the peak, {size}", f"{share:.2f}", share, aims["share"])
    report.add(
        f"first pass, empty type cache, {size}",
        f"{cold:,.0f} tokens/s, {cold / rate:.2f} of the cached rate",
        cold / rate,
        aims["cold"],
    )
    report.progress(f"the plain way at {size}, {n_plain} sentences")
    plain = PlainELMo(lm)
    few = sentences[:n_plain]
    plain.encode(few[:32])
    few_rate = _count(few) / best_of(5, lambda: lm.encode(few))
    plain_rate = _count(few) / best_of(3, lambda: plain.encode(few))
    report.add(f"the plain way, {size}", f"{plain_rate:,.0f} tokens/s", plain_rate)
    report.add(
        f"against the plain way, {size}, same {n_plain} sentences",
        f"{few_rate / plain_rate:.1f}x",
        few_rate / plain_rate,
        aims["plain"],
    )


def _count(sentences: Sequence[Sequence[str]]) -> int:
    return sum(len(words) for words in sentences)
