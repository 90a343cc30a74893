"""`python -m benchmarks`: one table of every figure in the README's performance section."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import caching, comparison, memory, pipeline, scaling, throughput, training
from benchmarks.measure import machine
from benchmarks.report import Report
from benchmarks.text import DEFAULT_FOLDER, read_text

PARTS = ("throughput", "pipeline", "memory", "scaling", "training", "caching", "comparison")


def main() -> None:
    """Measure, print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--text", type=Path, default=DEFAULT_FOLDER, help="folder of UD English EWT"
    )
    parser.add_argument("--full", action="store_true", help="every size on all the text")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--only", choices=PARTS, action="append", help="some parts only")
    arguments = parser.parse_args()
    parts = arguments.only or PARTS
    text = read_text(arguments.text)
    report = Report(machine())
    print(report.machine, flush=True)
    everything = len(text.sentences)
    if "throughput" in parts:
        few = everything if arguments.full else 400
        throughput.measure(report, text, "1024/128", everything if arguments.full else 4000, few)
        throughput.measure(report, text, "4096/512", few, few)
    if "pipeline" in parts:
        pipeline.measure(report, text, everything if arguments.full else 2000)
    if "memory" in parts:
        memory.measure(report, arguments.text, 1_000_000)
    if "scaling" in parts:
        scaling.measure(report, text, 100_000)
    if "training" in parts:
        training.measure(report, text, 15 if arguments.full else 7)
    if "caching" in parts:
        caching.measure(report, text, everything if arguments.full else 1000)
    if "comparison" in parts:
        comparison.measure(report, arguments.text, 9 if arguments.full else 5)
    print()
    print(report.markdown())
    if arguments.json is not None:
        report.write_json(arguments.json)


if __name__ == "__main__":
    main()
