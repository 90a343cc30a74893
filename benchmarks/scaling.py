"""Whether cost grows linearly: with the number of sentences, and with the length of one."""

from __future__ import annotations

from itertools import chain, cycle, islice

from benchmarks.measure import best_of, random_lm, seconds
from benchmarks.report import Report
from benchmarks.text import Text


def measure(report: Report, text: Text, n_sentences: int) -> None:
    """Row 7, at 1024/128."""
    lm = random_lm("1024/128")
    lm.encode(text.sentences)
    report.progress(f"1,000 and {n_sentences:,} sentences, 1024/128")

    def rate(number: int, passes: int) -> float:
        sentences = list(islice(cycle(text.sentences), number))
        n_tokens = sum(len(words) for words in sentences)
        return n_tokens / best_of(passes, lambda: [None for _ in lm.stream(sentences)])

    few, many = rate(1000, 5), rate(n_sentences, 1)
    report.add(
        f"rate at {n_sentences:,} sentences against 1,000",
        f"{many / few:.2f}x",
        many / few,
        "0.90 to 1.10",
    )
    report.progress("one sentence of 100 and of 20,000 tokens, 1024/128")
    words = list(islice(cycle(chain.from_iterable(text.sentences)), 20_000))
    short = best_of(20, lambda: lm.encode([words[:100]])) / 100
    long = seconds(lambda: lm.encode([words])) / 20_000
    report.add(
        "time per token in one sentence of 20,000 tokens against 100",
        f"{long / short:.2f}x",
        long / short,
        "0.75 to 1.25",
    )
