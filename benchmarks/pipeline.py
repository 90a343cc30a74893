"""The component inside spaCy: `nlp.pipe`, one short text, several processes."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import spacy
from spacy.language import Language

from benchmarks.measure import best_of, random_lm, seconds
from benchmarks.plain import PlainELMo
from benchmarks.report import Report
from benchmarks.text import Text
from spacy_elmo import BiLM

# Twelve words, as the figure for one short text asks.
SHORT = "The old bank by the river raised its rates again last week"


def _pipeline(weights: Path) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo", config={"model": {"weights": str(weights)}})
    return nlp


def measure(report: Report, text: Text, n_sentences: int) -> None:
    """Rows 3, 4 and 8: `nlp.pipe` against `encode`, latency, processes; at 1024/128."""
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "lm"
        lm = random_lm("1024/128")
        lm.save(weights)
        nlp = _pipeline(weights)
        _pipe_rate(report, nlp, lm, text.raw[:n_sentences])
        _latency(report, nlp, lm)
        _processes(report, nlp, text.raw[:n_sentences])


def _pipe_rate(report: Report, nlp: Language, lm: BiLM, raw: list[str]) -> None:
    report.progress("nlp.pipe against encode, 1024/128")
    words = [[token.text for token in doc] for doc in nlp.tokenizer.pipe(raw)]
    n_tokens = sum(len(sentence) for sentence in words)

    def pipe() -> None:
        for doc in nlp.pipe(raw):
            _ = doc._.elmo_vectors

    pipe()
    lm.encode(words)
    piped = n_tokens / best_of(3, pipe)
    encoded = n_tokens / best_of(3, lambda: lm.encode(words))
    tokenized = n_tokens / best_of(2, lambda: list(nlp.tokenizer.pipe(raw)))
    report.add("spaCy's tokenizer alone", f"{tokenized:,.0f} tokens/s", tokenized)
    report.add(
        "`nlp.pipe` over raw text, 1024/128",
        f"{piped:,.0f} tokens/s, {piped / encoded:.2f} of `encode`",
        piped / encoded,
        "at least 0.85",
    )


def _latency(report: Report, nlp: Language, lm: BiLM) -> None:
    report.progress("one short text, 1024/128")
    words = [token.text for token in nlp.make_doc(SHORT)]
    plain = PlainELMo(lm)
    for _ in range(10):
        nlp(SHORT), lm.encode([words]), plain.encode([words])

    def median(work: object) -> float:
        assert callable(work)
        return statistics.median(seconds(work) for _ in range(100)) * 1e3

    whole = median(lambda: nlp(SHORT))
    tokenizer = median(lambda: nlp.make_doc(SHORT))
    network = median(lambda: lm.encode([words]))
    slow = median(lambda: plain.encode([words]))
    report.add(
        f"`nlp(text)`, {len(words)} words, warm, 1024/128",
        f"{whole:.2f} ms: network {network:.2f}, tokenizer {tokenizer:.2f}, "
        f"the rest {whole - network - tokenizer:.2f}",
        whole,
    )
    report.add(
        "the plain way on the same words",
        f"{slow:.2f} ms, {slow / whole:.1f}x",
        slow / whole,
        "at least 3x",
    )


def _processes(report: Report, nlp: Language, raw: list[str]) -> None:
    report.progress("n_process=2 against one process, 1024/128")
    one = best_of(2, lambda: [None for _ in nlp.pipe(raw)])
    two = best_of(2, lambda: [None for _ in nlp.pipe(raw, n_process=2)])
    report.add(
        "`nlp.pipe(n_process=2)` against one process with all threads",
        f"{one / two:.2f}x",
        one / two,
    )
