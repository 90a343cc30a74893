"""Peak resident memory, each measurement in a process of its own. Linux only."""

from __future__ import annotations

import json
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from benchmarks.measure import in_new_process, random_lm
from benchmarks.report import Report
from benchmarks.text import read_text
from spacy_elmo import BiLM

MIB = 2**20


def measure(report: Report, folder: Path, n_tokens: int) -> None:
    """Row 6: memory of a long stream, and of loading."""
    report.progress(f"peak memory of stream, 50,000 and {n_tokens:,} tokens, 1024/128")
    few = in_new_process(__name__, "stream", str(folder), "50000")
    many = in_new_process(__name__, "stream", str(folder), str(n_tokens))
    report.add(
        f"peak memory of `stream`, {n_tokens:,} tokens against 50,000, 1024/128",
        f"{many / MIB:.0f} MiB against {few / MIB:.0f}: {many / few:.2f}x",
        many / few,
        "at most 1.3x",
    )
    report.progress("peak memory of loading 4096/512")
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("lm", "lm.hdf5"):
            path = Path(scratch) / name
            in_new_process(__name__, "write", str(path))
            rise, size = in_new_process(__name__, "load", str(path))
            report.add(
                f"memory to load and use 4096/512, {'HDF5' if path.suffix else 'native'}",
                f"{rise / MIB:.0f} MiB for {size / MIB:.0f} MiB of weights: {rise / size:.2f}x",
                rise / size,
                "at most 1.3x",
            )


def _resident(field: str) -> int:
    """Resident memory in bytes: "VmHWM" the highest, "VmRSS" now."""
    # Not getrusage: on Linux a new process inherits that peak from the one that started it.
    lines = Path("/proc/self/status").read_text("utf8").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


def _stream(folder: str, n_tokens: str) -> int:
    sentences = read_text(Path(folder)).sentences
    lm = random_lm("1024/128")
    wanted = int(n_tokens)
    mean = sum(len(words) for words in sentences) / len(sentences)
    for _ in lm.stream(islice(cycle(sentences), round(wanted / mean))):
        pass
    return _resident("VmHWM")


def _load(path: str) -> tuple[int, int]:
    # What any use of the network costs, whatever its size, is there before.
    random_lm("1024/128").encode([["A", "few", "words"]])
    before = _resident("VmRSS")
    lm = BiLM.from_pretrained(path)
    lm.encode([["A", "few", "words"]])
    size = sum(p.numel() * 4 for p in lm.parameters())
    return _resident("VmHWM") - before, size


def main() -> None:
    """One measurement, its result as JSON on the last line."""
    what, *arguments = sys.argv[1:]
    if what == "stream":
        print(json.dumps(_stream(*arguments)))
    elif what == "write":
        random_lm("4096/512").save(arguments[0])
        print("null")
    else:
        print(json.dumps(_load(*arguments)))


if __name__ == "__main__":
    main()
